# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_warren_capd_global_optspecs
    string join \n config= h/help V/version
end

function __fish_warren_capd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_warren_capd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_warren_capd_using_subcommand
    set -l cmd (__fish_warren_capd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c warren-capd -n "__fish_warren_capd_needs_command" -l config -d 'The configuration' -r -F
complete -c warren-capd -n "__fish_warren_capd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c warren-capd -n "__fish_warren_capd_needs_command" -s V -l version -d 'Print version'
complete -c warren-capd -n "__fish_warren_capd_needs_command" -f -a "serve" -d 'Be the authority'
complete -c warren-capd -n "__fish_warren_capd_needs_command" -f -a "cap" -d 'Look at caps and change them, in the authority that runs'
complete -c warren-capd -n "__fish_warren_capd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand serve" -l faults -d 'What goes wrong on purpose' -r
complete -c warren-capd -n "__fish_warren_capd_using_subcommand serve" -l config -d 'The configuration' -r -F
complete -c warren-capd -n "__fish_warren_capd_using_subcommand serve" -s h -l help -d 'Print help'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l config -d 'The configuration' -r -F
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -s h -l help -d 'Print help'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "set" -d 'Give an account a cap. It wins over the configuration\'s'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "get" -d 'How an account stands'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "list" -d 'How all accounts stand'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "clear" -d 'Take back what was set: the configuration\'s cap holds again'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from set" -l config -d 'The configuration' -r -F
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from get" -l config -d 'The configuration' -r -F
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from get" -l json -d 'Print JSON'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from list" -l config -d 'The configuration' -r -F
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from list" -l json -d 'Print JSON'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from clear" -l config -d 'The configuration' -r -F
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from clear" -s h -l help -d 'Print help'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "set" -d 'Give an account a cap. It wins over the configuration\'s'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "get" -d 'How an account stands'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "list" -d 'How all accounts stand'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "clear" -d 'Take back what was set: the configuration\'s cap holds again'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand help; and not __fish_seen_subcommand_from serve cap help" -f -a "serve" -d 'Be the authority'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand help; and not __fish_seen_subcommand_from serve cap help" -f -a "cap" -d 'Look at caps and change them, in the authority that runs'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand help; and not __fish_seen_subcommand_from serve cap help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand help; and __fish_seen_subcommand_from cap" -f -a "set" -d 'Give an account a cap. It wins over the configuration\'s'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand help; and __fish_seen_subcommand_from cap" -f -a "get" -d 'How an account stands'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand help; and __fish_seen_subcommand_from cap" -f -a "list" -d 'How all accounts stand'
complete -c warren-capd -n "__fish_warren_capd_using_subcommand help; and __fish_seen_subcommand_from cap" -f -a "clear" -d 'Take back what was set: the configuration\'s cap holds again'
