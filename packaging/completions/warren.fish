# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_warren_global_optspecs
    string join \n sock-file= json json-compact e/env= url= ca-file= ws= program-id= keypair= no-version-warning log-level= solana-url= geo-program-id= h/help V/version
end

function __fish_warren_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_warren_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_warren_using_subcommand
    set -l cmd (__fish_warren_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c warren -n "__fish_warren_needs_command" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_needs_command" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_needs_command" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_needs_command" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_needs_command" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_needs_command" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_needs_command" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_needs_command" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_needs_command" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_needs_command" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_needs_command" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_needs_command" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_needs_command" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_needs_command" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_needs_command" -s V -l version -d 'Print version'
complete -c warren -n "__fish_warren_needs_command" -f -a "status" -d 'Show the provisioned services'
complete -c warren -n "__fish_warren_needs_command" -f -a "connect" -d 'Create a user on the ledger and wait until its tunnel carries traffic'
complete -c warren -n "__fish_warren_needs_command" -f -a "disconnect" -d 'Delete the users on the ledger and wait until their tunnels are gone'
complete -c warren -n "__fish_warren_needs_command" -f -a "move" -d 'Move the unicast user to a device that has been nearer the whole time. It is one transaction, and the tunnel\'s link is moved in place; a multicast tunnel stays where it is'
complete -c warren -n "__fish_warren_needs_command" -f -a "multicast" -d 'Change which multicast groups this host sends to and receives from'
complete -c warren -n "__fish_warren_needs_command" -f -a "user" -d 'Look at users on the ledger'
complete -c warren -n "__fish_warren_needs_command" -f -a "access-pass" -d 'Look at access passes on the ledger'
complete -c warren -n "__fish_warren_needs_command" -f -a "device" -d 'List the network\'s devices, and how many users they have room for'
complete -c warren -n "__fish_warren_needs_command" -f -a "link" -d 'Look at the links between devices'
complete -c warren -n "__fish_warren_needs_command" -f -a "location" -d 'Look at the locations of devices'
complete -c warren -n "__fish_warren_needs_command" -f -a "exchange" -d 'Look at the exchanges, that is, the metros'
complete -c warren -n "__fish_warren_needs_command" -f -a "feed" -d 'Look at the feeds of multicast groups'
complete -c warren -n "__fish_warren_needs_command" -f -a "tenant" -d 'Look at the tenants'
complete -c warren -n "__fish_warren_needs_command" -f -a "contributor" -d 'Look at the contributors of devices and links'
complete -c warren -n "__fish_warren_needs_command" -f -a "balance" -d 'Print the balance of the keypair that signs and pays'
complete -c warren -n "__fish_warren_needs_command" -f -a "address" -d 'Print the address of the keypair that signs and pays'
complete -c warren -n "__fish_warren_needs_command" -f -a "keygen" -d 'Make a keypair'
complete -c warren -n "__fish_warren_needs_command" -f -a "config" -d 'Show or change the command line\'s configuration'
complete -c warren -n "__fish_warren_needs_command" -f -a "enable" -d 'Turn the daemon on: it builds the tunnels that the ledger asks for'
complete -c warren -n "__fish_warren_needs_command" -f -a "disable" -d 'Turn the daemon off: it takes all tunnels down'
complete -c warren -n "__fish_warren_needs_command" -f -a "plan" -d 'Show what the daemon would change now'
complete -c warren -n "__fish_warren_needs_command" -f -a "health" -d 'Say whether this host\'s tunnels can be relied on, and what is wrong: the exit code is 0 when they can, 4 when not, and 5 while that is not known yet after a start'
complete -c warren -n "__fish_warren_needs_command" -f -a "usage" -d 'Show what went through the tunnels, to the byte, across restarts and crashes'
complete -c warren -n "__fish_warren_needs_command" -f -a "explain" -d 'Explain in words where a tunnel is in its life, and why'
complete -c warren -n "__fish_warren_needs_command" -f -a "events" -d 'Show what happened, and with --follow what happens from then on'
complete -c warren -n "__fish_warren_needs_command" -f -a "top" -d 'Show the tunnels on a terminal as they change, problems first, until `q` is pressed'
complete -c warren -n "__fish_warren_needs_command" -f -a "web" -d 'Serve the live page to a browser on this host as long as this runs, and print the link that opens it once'
complete -c warren -n "__fish_warren_needs_command" -f -a "doctor" -d 'Look for what keeps tunnels from working, and say how to fix it'
complete -c warren -n "__fish_warren_needs_command" -f -a "firewall" -d 'Print the rules that this host\'s firewall needs for its tunnels; nothing is changed'
complete -c warren -n "__fish_warren_needs_command" -f -a "bugreport" -d 'Collect what a bug report needs into one archive, without secrets'
complete -c warren -n "__fish_warren_needs_command" -f -a "routes" -d 'Show the routes learned from the sessions'
complete -c warren -n "__fish_warren_needs_command" -f -a "latency" -d 'Show how far the devices are, the nearest first'
complete -c warren -n "__fish_warren_needs_command" -f -a "cap" -d 'Set how much may be used, and look at what is'
complete -c warren -n "__fish_warren_needs_command" -f -a "meter" -d 'Look at the usage that recorders wrote'
complete -c warren -n "__fish_warren_needs_command" -f -a "ledger" -d 'Look at the ledger'
complete -c warren -n "__fish_warren_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c warren -n "__fish_warren_needs_command" -f -a "completion" -d 'Print a completion script for a shell'
complete -c warren -n "__fish_warren_needs_command" -f -a "complete" -d 'Print names that the daemon knows, one in each line, for completions'
complete -c warren -n "__fish_warren_needs_command" -f -a "version" -d 'Print the versions of this program and of the daemon'
complete -c warren -n "__fish_warren_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand status" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand status" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand status" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand status" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand status" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand status" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand status" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand status" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand status" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand status" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand status" -s w -l watch -d 'Keep running: show them again whenever they change'
complete -c warren -n "__fish_warren_using_subcommand status" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand status" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand status" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand status" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l tenant -d 'Without a service: the tenant, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l device -d 'The device, by its code or account, instead of the nearest one that has room' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l ip-verifier-url -d 'The service that proves this host\'s address; without it `DZ_IP_VERIFIER_URL`, then the configuration\'s, then the environment\'s. An empty text for none' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l client-ip -d 'Use this public address of the host from now on; an access pass must be issued for it' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l allocate-addr -d 'Without a service: use an address of the device\'s instead of the host\'s own'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -f -a "ibrl" -d 'Unicast: the host\'s own address, or one of the device\'s with --allocate-addr'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -f -a "multicast" -d 'Multicast: all groups that the access pass allows, unless some are named'
complete -c warren -n "__fish_warren_using_subcommand connect; and not __fish_seen_subcommand_from ibrl multicast help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l device -d 'The device, by its code or account, instead of the nearest one that has room' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l ip-verifier-url -d 'The service that proves this host\'s address; without it `DZ_IP_VERIFIER_URL`, then the configuration\'s, then the environment\'s. An empty text for none' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l client-ip -d 'Use this public address of the host from now on; an access pass must be issued for it' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -s a -l allocate-addr -d 'Use an address of the device\'s instead of the host\'s own'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l publish -d 'Groups to send to' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l subscribe -d 'Groups to receive from' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l subscribe-feed -d 'The codes of feeds to join' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l unsubscribe-feed -d 'The codes of feeds to leave' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l device -d 'The device, by its code or account, instead of the nearest one that has room' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l ip-verifier-url -d 'The service that proves this host\'s address; without it `DZ_IP_VERIFIER_URL`, then the configuration\'s, then the environment\'s. An empty text for none' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l client-ip -d 'Use this public address of the host from now on; an access pass must be issued for it' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from help" -f -a "ibrl" -d 'Unicast: the host\'s own address, or one of the device\'s with --allocate-addr'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from help" -f -a "multicast" -d 'Multicast: all groups that the access pass allows, unless some are named'
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l device -d 'Only users on this device, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l client-ip -d 'The host\'s public address, where the daemon does not tell it' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand disconnect" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand disconnect" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand disconnect" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c warren -n "__fish_warren_using_subcommand move" -l if-better-by -d 'By how much another device must be nearer, in each round of measurements' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l for -d 'For how long; the daemon remembers 32 rounds (5 minutes each by default)' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l ip-verifier-url -d 'The service that proves this host\'s address, as for `connect`' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand move" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand move" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand move" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand move" -l dry-run -d 'Only say what would be done'
complete -c warren -n "__fish_warren_using_subcommand move" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand move" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand move" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand move" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand move" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand move" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -f -a "subscribe" -d 'Start receiving from groups'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -f -a "unsubscribe" -d 'Stop receiving from groups'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -f -a "publish" -d 'Start sending to groups'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -f -a "unpublish" -d 'Stop sending to groups'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -f -a "group" -d 'Look at the groups on the ledger'
complete -c warren -n "__fish_warren_using_subcommand multicast; and not __fish_seen_subcommand_from subscribe unsubscribe publish unpublish group help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l client-ip -d 'The host\'s public address, where the daemon does not tell it' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l client-ip -d 'The host\'s public address, where the daemon does not tell it' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l client-ip -d 'The host\'s public address, where the daemon does not tell it' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l client-ip -d 'The host\'s public address, where the daemon does not tell it' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l access-pass -d 'The access pass of a user that does not record its own, where two would match' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l timeout -d 'How long to wait for the daemon at most' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l no-wait -d 'Do not wait for the daemon: it goes on by itself'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -s v -l verbose -d 'Show every step, including those that are usually left out'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -f -a "get" -d 'One of them: who may join it, and who has'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from help" -f -a "subscribe" -d 'Start receiving from groups'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from help" -f -a "unsubscribe" -d 'Stop receiving from groups'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from help" -f -a "publish" -d 'Start sending to groups'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from help" -f -a "unpublish" -d 'Stop sending to groups'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from help" -f -a "group" -d 'Look at the groups on the ledger'
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -f -a "list" -d 'The network\'s users, or those that pass the filters. Several values of a filter are separated by commas'
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -f -a "get" -d 'One user'
complete -c warren -n "__fish_warren_using_subcommand user; and not __fish_seen_subcommand_from list get help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l solana-identity -d 'Those of these validators' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l device -d 'Those on these devices, by their codes or accounts' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l location -d 'Those at these locations, by their codes or names' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l client-ip -d 'Those of these hosts' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l owner -d 'Those that these made' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l user-payer -d 'Those whose passes these pay for' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l user-type -d 'Those of these services' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l cyoa-type -d 'Those that reach their device in these ways' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l dz-ip -d 'Those with these addresses in the overlay' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l tunnel-id -d 'Those of these tunnels' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l status -d 'Those with these statuses' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l multicast-group -d 'Those that are in these groups, by their codes or accounts' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -s t -l tenant -d 'Those of these tenants, by their codes or accounts; without it the configuration\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l prepaid -d 'Those with a prepaid pass'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l solana-validator -d 'Those with a validator\'s pass'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l here -d 'This host\'s'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l all-tenants -d 'Those of all tenants'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l narrow -d 'Print only the columns that fit a narrow terminal'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l pubkey -d 'Its account' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "list" -d 'The network\'s users, or those that pass the filters. Several values of a filter are separated by commas'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "get" -d 'One user'
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -f -a "list" -d 'The network\'s access passes, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -f -a "get" -d 'The pass that applies to a host'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and not __fish_seen_subcommand_from list get help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l solana-identity -d 'The one of this validator' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l client-ip -d 'Those for this host' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l user-payer -d 'Those that this one pays for' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l tenant -d 'Those that admit to this tenant, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l multicast-group-publisher -d 'Those whose host may send to this group, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l not-multicast-group-publisher -d 'Those whose host may not' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l multicast-group-subscriber -d 'Those whose host may receive from this group, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l not-multicast-group-subscriber -d 'Those whose host may not' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l prepaid -d 'Prepaid ones'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l solana-validator -d 'Validators\''
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l edge-seat -d 'Seats at feeds'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l mine -d 'Those of the keypair'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l narrow -d 'Print shorter headings, for a narrow terminal'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l client-ip -d 'The host\'s address, instead of this one\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l user-payer -d 'The payer, instead of the keypair' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from help" -f -a "list" -d 'The network\'s access passes, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from help" -f -a "get" -d 'The pass that applies to a host'
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -f -a "list" -d 'All of them, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -f -a "get" -d 'Show one of them, by its account or code'
complete -c warren -n "__fish_warren_using_subcommand device; and not __fish_seen_subcommand_from list get help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -s c -l contributor -d 'Those of this contributor, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l exchange -d 'Those of this exchange, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l location -d 'Those at this location, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l device-type -d 'Those of this kind: hybrid, transit or edge' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l status -d 'Those with this status' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l health -d 'Those with this health' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l desired-status -d 'Those whose desired status is this' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l code -d 'Those whose code contains this' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l narrow -d 'Print only the columns that fit a narrow terminal'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l code -d 'Its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from help" -f -a "list" -d 'All of them, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from help" -f -a "get" -d 'Show one of them, by its account or code'
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -f -a "list" -d 'All of them, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand link; and not __fish_seen_subcommand_from list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -s c -l contributor -d 'Those of this contributor, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l side-a -d 'Those that begin at this device, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l side-z -d 'Those that end at this device, by its code or account' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l link-type -d 'Those of this kind: WAN or DZX' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l status -d 'Those with this status' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l health -d 'Those with this health' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l desired-status -d 'Those whose desired status is this' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l code -d 'Those whose code contains this' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l topology -d 'Those of this topology, by its name or account' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l wan -d 'Those between sites'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l dzx -d 'Those within an exchange'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l narrow -d 'Print only the columns that fit a narrow terminal'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "list" -d 'All of them, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand location; and not __fish_seen_subcommand_from list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand location; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand exchange; and not __fish_seen_subcommand_from list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand exchange; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -f -a "get" -d 'Show one of them, by its account or code'
complete -c warren -n "__fish_warren_using_subcommand feed; and not __fish_seen_subcommand_from list get help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l pubkey -l code -d 'Its account or code' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l exchange -d 'Its exchange, by code or account: feeds of several exchanges may share a code' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from help" -f -a "get" -d 'Show one of them, by its account or code'
complete -c warren -n "__fish_warren_using_subcommand feed; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand tenant; and not __fish_seen_subcommand_from list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand tenant; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand contributor; and not __fish_seen_subcommand_from list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from help" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand contributor; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand balance" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand balance" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand balance" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand balance" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand balance" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand balance" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand balance" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand balance" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand balance" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand balance" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand balance" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand balance" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand balance" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand balance" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand address" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand address" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand address" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand address" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand address" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand address" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand address" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand address" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand address" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand address" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand address" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand address" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand address" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand address" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand keygen" -s o -l outfile -d 'Where to keep it, instead of the default place' -r -F
complete -c warren -n "__fish_warren_using_subcommand keygen" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand keygen" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand keygen" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand keygen" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand keygen" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand keygen" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand keygen" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand keygen" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand keygen" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand keygen" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand keygen" -s f -l force -d 'Replace an existing one: what it owns is lost unless there is a copy'
complete -c warren -n "__fish_warren_using_subcommand keygen" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand keygen" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand keygen" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand keygen" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -f -a "get" -d 'Show what is in force, and where it comes from'
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -f -a "set" -d 'Change it: the flags for the ledger and the keypair, the tenant, and the service that proves addresses'
complete -c warren -n "__fish_warren_using_subcommand config; and not __fish_seen_subcommand_from get set help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l tenant -d 'The tenant that `connect` uses where none is named; an empty text for none' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l ip-verifier-url -d 'The service that proves this host\'s address to the network; an empty text for the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "get" -d 'Show what is in force, and where it comes from'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "set" -d 'Change it: the flags for the ledger and the keypair, the tenant, and the service that proves addresses'
complete -c warren -n "__fish_warren_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand enable" -l wait -d 'Also wait until the tunnels are as they should be, at most this long (exit code 4 when they are not)' -r
complete -c warren -n "__fish_warren_using_subcommand enable" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand enable" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand enable" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand enable" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand enable" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand enable" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand enable" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand enable" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand enable" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand enable" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand enable" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand enable" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand enable" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand enable" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand disable" -l wait -d 'Also wait until the tunnels are gone, at most this long (exit code 4 when they are not)' -r
complete -c warren -n "__fish_warren_using_subcommand disable" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand disable" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand disable" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand disable" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand disable" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand disable" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand disable" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand disable" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand disable" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand disable" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand disable" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand disable" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand disable" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand disable" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand plan" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand plan" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand plan" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand plan" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand plan" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand plan" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand plan" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand plan" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand plan" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand plan" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand plan" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand plan" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand plan" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand plan" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand health" -l for -d 'What for: general (everything that should be there is there) or failover (whoever needs these tunnels may stay on this host)' -r
complete -c warren -n "__fish_warren_using_subcommand health" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand health" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand health" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand health" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand health" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand health" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand health" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand health" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand health" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand health" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand health" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand health" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand health" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand health" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand usage" -l since -d 'Only what was carried within this span, from the full hour on' -r
complete -c warren -n "__fish_warren_using_subcommand usage" -l by -d 'Show each hour or day (UTC) separately' -r -f -a "hour\t'One line for each hour'
day\t'One line for each day (UTC)'"
complete -c warren -n "__fish_warren_using_subcommand usage" -l per -d 'What is added up' -r -f -a "tunnel\t'What each tunnel carried for each owner'
owner\t'All that each owner pays for'
device\t'All that went over each device'"
complete -c warren -n "__fish_warren_using_subcommand usage" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand usage" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand usage" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand usage" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand usage" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand usage" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand usage" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand usage" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand usage" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand usage" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand usage" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand usage" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand usage" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand usage" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c warren -n "__fish_warren_using_subcommand explain" -l since -d 'Also show what happened within this span, including before restarts of the daemon' -r
complete -c warren -n "__fish_warren_using_subcommand explain" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand explain" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand explain" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand explain" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand explain" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand explain" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand explain" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand explain" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand explain" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand explain" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand explain" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand explain" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand explain" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand explain" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand events" -l since -d 'What happened after this position, or within this span (`90s`, `3h`); without it all that is known, and with --follow what happens from now on' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l topic -d 'Only these topics (daemon, store, switch, ledger, address, plan, tunnel, session, routes, liveness …) or kinds of events' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l tunnel -d 'Only what is about this tunnel: an account, the beginning of one, or an interface that is in use' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand events" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand events" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand events" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand events" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand events" -s f -l follow -d 'Keep showing what happens, across restarts of the daemon. Without it what is known so far is shown'
complete -c warren -n "__fish_warren_using_subcommand events" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand events" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand events" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand events" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand top" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand top" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand top" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand top" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand top" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand top" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand top" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand top" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand top" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand top" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand top" -l once -d 'Show it once, for scripts'
complete -c warren -n "__fish_warren_using_subcommand top" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand top" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand top" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand top" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand web" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand web" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand web" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand web" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand web" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand web" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand web" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand web" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand web" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand web" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand web" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand web" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand web" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand web" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand doctor" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand doctor" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand doctor" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand doctor" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand doctor" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand doctor" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand doctor" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand doctor" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand doctor" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand doctor" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand doctor" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand doctor" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand doctor" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand doctor" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand firewall" -l print -d 'In this tool\'s format, to be piped into it: `nft -f -`, `iptables-restore --noflush`, or a shell for ufw' -r -f -a "nft\t'Commands for nftables, to be read by `nft -f -`'
iptables\t'Rules for iptables, to be read by `iptables-restore --noflush`'
ufw\t'Commands for ufw, to be read by a shell'"
complete -c warren -n "__fish_warren_using_subcommand firewall" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand firewall" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand firewall" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand firewall" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand firewall" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand firewall" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand firewall" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand firewall" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand firewall" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand firewall" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand firewall" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand firewall" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand firewall" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand firewall" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c warren -n "__fish_warren_using_subcommand bugreport" -s o -l output -d 'The archive, which must not exist yet; without it one in this folder, named after the time' -r -F
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand bugreport" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand bugreport" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand bugreport" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand routes" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand routes" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand routes" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand routes" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand routes" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand routes" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand routes" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand routes" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand routes" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand routes" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand routes" -l long -d 'All of them, with prefix length, next hop and interface'
complete -c warren -n "__fish_warren_using_subcommand routes" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand routes" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand routes" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand routes" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand latency" -l wait -d 'How long to wait for a daemon that has just begun to measure (exit code 4 when that is too short)' -r
complete -c warren -n "__fish_warren_using_subcommand latency" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand latency" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand latency" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand latency" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand latency" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand latency" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand latency" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand latency" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand latency" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand latency" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand latency" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand latency" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand latency" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand latency" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "set" -d 'Give one a cap'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "get" -d 'Show one owner\'s cap, and how much of it is used'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "list" -d 'Show all caps, and how much of them is used'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "clear" -d 'Take a cap away'
complete -c warren -n "__fish_warren_using_subcommand cap; and not __fish_seen_subcommand_from set get list clear help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from set" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from clear" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "set" -d 'Give one a cap'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "get" -d 'Show one owner\'s cap, and how much of it is used'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "list" -d 'Show all caps, and how much of them is used'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "clear" -d 'Take a cap away'
complete -c warren -n "__fish_warren_using_subcommand cap; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -f -a "verify" -d 'Prove that each entry is there, that starts and stops are pairs, and sum up what was used (exit code 1 where that cannot be proven)'
complete -c warren -n "__fish_warren_using_subcommand meter; and not __fish_seen_subcommand_from verify help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l against -d 'Compare with what a receiver says it has: a URL that answers with `{"data": [{"subject": …, "value": …}]}`, as OpenMeter does to a query of a meter that is grouped by subject (/api/v1/meters/METER/query?groupBy=subject)' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l figure -d 'Which figure that is' -r -f -a "bytes\t'Octets in both directions'
rx-bytes\t'Octets received'
tx-bytes\t'Octets sent'
rx-packets\t'Packets received'
tx-packets\t'Packets sent'"
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l alone -d 'Read only that file'
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from help" -f -a "verify" -d 'Prove that each entry is there, that starts and stops are pairs, and sum up what was used (exit code 1 where that cannot be proven)'
complete -c warren -n "__fish_warren_using_subcommand meter; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -f -a "decode" -d 'Decode one account and print it as JSON'
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -f -a "show" -d 'Read the ledger and print the view that the daemon would work from'
complete -c warren -n "__fish_warren_using_subcommand ledger; and not __fish_seen_subcommand_from decode show help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l base64 -d 'The file holds base64'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from decode" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l client-ip -d 'The users of this address, instead of the daemon\'s own' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l device -d 'The users of this device' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l config -d 'The daemon\'s configuration file' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from help" -f -a "decode" -d 'Decode one account and print it as JSON'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from help" -f -a "show" -d 'Read the ledger and print the view that the daemon would work from'
complete -c warren -n "__fish_warren_using_subcommand ledger; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand completions" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand completions" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand completions" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand completions" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand completions" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand completions" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand completions" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand completions" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand completions" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand completions" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand completions" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand completions" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand completions" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand completions" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand completion" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand completion" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand completion" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand completion" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand completion" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand completion" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand completion" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand completion" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand completion" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand completion" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand completion" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand completion" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand completion" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand completion" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand complete" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand complete" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand complete" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand complete" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand complete" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand complete" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand complete" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand complete" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand complete" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand complete" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand complete" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand complete" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand complete" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand complete" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c warren -n "__fish_warren_using_subcommand version" -l sock-file -l socket -l socket-path -d 'The path of the daemon\'s Unix socket' -r -F
complete -c warren -n "__fish_warren_using_subcommand version" -s e -l env -d 'The environment: mainnet-beta, testnet, devnet or localnet; without it the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand version" -l url -l ledger-url -d 'The ledger\'s RPC endpoint; without it `DZ_LEDGER_RPC_URL`, then the configuration\'s, then the daemon\'s' -r
complete -c warren -n "__fish_warren_using_subcommand version" -l ca-file -d 'Certificate authorities (PEM) that are trusted in addition to the system\'s; without it the daemon\'s' -r -F
complete -c warren -n "__fish_warren_using_subcommand version" -l ws -d 'The ledger\'s websocket endpoint' -r
complete -c warren -n "__fish_warren_using_subcommand version" -l program-id -d 'The serviceability program, instead of the environment\'s' -r
complete -c warren -n "__fish_warren_using_subcommand version" -l keypair -d 'The keypair that signs and pays; without it `WARREN_KEYPAIR`, `DOUBLEZERO_KEYPAIR`, standard input, the configuration\'s, `~/.config/doublezero/id.json`' -r -F
complete -c warren -n "__fish_warren_using_subcommand version" -l log-level -d 'How much to log on standard error: off, error, warn, info, debug or trace (`RUST_LOG` overrides it)' -r
complete -c warren -n "__fish_warren_using_subcommand version" -l solana-url -d 'Accepted for compatibility and ignored: nothing here asks that ledger' -r
complete -c warren -n "__fish_warren_using_subcommand version" -l geo-program-id -d 'Accepted for compatibility and ignored: nothing here asks that program' -r
complete -c warren -n "__fish_warren_using_subcommand version" -l json -d 'Print JSON with a schema version instead of text'
complete -c warren -n "__fish_warren_using_subcommand version" -l json-compact -d 'Print JSON; lists and accounts in one line'
complete -c warren -n "__fish_warren_using_subcommand version" -l no-version-warning -d 'Do not warn of a program that is newer than this software'
complete -c warren -n "__fish_warren_using_subcommand version" -s h -l help -d 'Print help'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "status" -d 'Show the provisioned services'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "connect" -d 'Create a user on the ledger and wait until its tunnel carries traffic'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "disconnect" -d 'Delete the users on the ledger and wait until their tunnels are gone'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "move" -d 'Move the unicast user to a device that has been nearer the whole time. It is one transaction, and the tunnel\'s link is moved in place; a multicast tunnel stays where it is'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "multicast" -d 'Change which multicast groups this host sends to and receives from'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "user" -d 'Look at users on the ledger'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "access-pass" -d 'Look at access passes on the ledger'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "device" -d 'List the network\'s devices, and how many users they have room for'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "link" -d 'Look at the links between devices'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "location" -d 'Look at the locations of devices'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "exchange" -d 'Look at the exchanges, that is, the metros'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "feed" -d 'Look at the feeds of multicast groups'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "tenant" -d 'Look at the tenants'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "contributor" -d 'Look at the contributors of devices and links'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "balance" -d 'Print the balance of the keypair that signs and pays'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "address" -d 'Print the address of the keypair that signs and pays'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "keygen" -d 'Make a keypair'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "config" -d 'Show or change the command line\'s configuration'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "enable" -d 'Turn the daemon on: it builds the tunnels that the ledger asks for'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "disable" -d 'Turn the daemon off: it takes all tunnels down'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "plan" -d 'Show what the daemon would change now'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "health" -d 'Say whether this host\'s tunnels can be relied on, and what is wrong: the exit code is 0 when they can, 4 when not, and 5 while that is not known yet after a start'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "usage" -d 'Show what went through the tunnels, to the byte, across restarts and crashes'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "explain" -d 'Explain in words where a tunnel is in its life, and why'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "events" -d 'Show what happened, and with --follow what happens from then on'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "top" -d 'Show the tunnels on a terminal as they change, problems first, until `q` is pressed'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "web" -d 'Serve the live page to a browser on this host as long as this runs, and print the link that opens it once'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "doctor" -d 'Look for what keeps tunnels from working, and say how to fix it'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "firewall" -d 'Print the rules that this host\'s firewall needs for its tunnels; nothing is changed'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "bugreport" -d 'Collect what a bug report needs into one archive, without secrets'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "routes" -d 'Show the routes learned from the sessions'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "latency" -d 'Show how far the devices are, the nearest first'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "cap" -d 'Set how much may be used, and look at what is'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "meter" -d 'Look at the usage that recorders wrote'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "ledger" -d 'Look at the ledger'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "completions" -d 'Print a completion script for a shell'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "complete" -d 'Print names that the daemon knows, one in each line, for completions'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "version" -d 'Print the versions of this program and of the daemon'
complete -c warren -n "__fish_warren_using_subcommand help; and not __fish_seen_subcommand_from status connect disconnect move multicast user access-pass device link location exchange feed tenant contributor balance address keygen config enable disable plan health usage explain events top web doctor firewall bugreport routes latency cap meter ledger completions complete version help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from connect" -f -a "ibrl" -d 'Unicast: the host\'s own address, or one of the device\'s with --allocate-addr'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from connect" -f -a "multicast" -d 'Multicast: all groups that the access pass allows, unless some are named'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from multicast" -f -a "subscribe" -d 'Start receiving from groups'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from multicast" -f -a "unsubscribe" -d 'Stop receiving from groups'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from multicast" -f -a "publish" -d 'Start sending to groups'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from multicast" -f -a "unpublish" -d 'Stop sending to groups'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from multicast" -f -a "group" -d 'Look at the groups on the ledger'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "list" -d 'The network\'s users, or those that pass the filters. Several values of a filter are separated by commas'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "get" -d 'One user'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from access-pass" -f -a "list" -d 'The network\'s access passes, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from access-pass" -f -a "get" -d 'The pass that applies to a host'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from device" -f -a "list" -d 'All of them, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from device" -f -a "get" -d 'Show one of them, by its account or code'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from link" -f -a "list" -d 'All of them, or those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from location" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from exchange" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from feed" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from feed" -f -a "get" -d 'Show one of them, by its account or code'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from tenant" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from contributor" -f -a "list" -d 'List those that pass the filters'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "get" -d 'Show what is in force, and where it comes from'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "set" -d 'Change it: the flags for the ledger and the keypair, the tenant, and the service that proves addresses'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from cap" -f -a "set" -d 'Give one a cap'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from cap" -f -a "get" -d 'Show one owner\'s cap, and how much of it is used'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from cap" -f -a "list" -d 'Show all caps, and how much of them is used'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from cap" -f -a "clear" -d 'Take a cap away'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from meter" -f -a "verify" -d 'Prove that each entry is there, that starts and stops are pairs, and sum up what was used (exit code 1 where that cannot be proven)'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from ledger" -f -a "decode" -d 'Decode one account and print it as JSON'
complete -c warren -n "__fish_warren_using_subcommand help; and __fish_seen_subcommand_from ledger" -f -a "show" -d 'Read the ledger and print the view that the daemon would work from'
complete -c warren -n "__fish_warren_using_subcommand connect" -l device -r -f -a "(command warren complete device 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from ibrl" -l device -r -f -a "(command warren complete device 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l publish -r -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l subscribe -r -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand connect; and __fish_seen_subcommand_from multicast" -l device -r -f -a "(command warren complete device 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand disconnect" -l device -r -f -a "(command warren complete device 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from subscribe" -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unsubscribe" -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from publish" -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from unpublish" -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand multicast; and __fish_seen_subcommand_from group; and __fish_seen_subcommand_from get" -l code -r -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l device -r -f -a "(command warren complete device 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from list" -l multicast-group -r -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand user; and __fish_seen_subcommand_from get" -l pubkey -r -f -a "(command warren complete user 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l multicast-group-publisher -r -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l not-multicast-group-publisher -r -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l multicast-group-subscriber -r -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand access-pass; and __fish_seen_subcommand_from list" -l not-multicast-group-subscriber -r -f -a "(command warren complete group 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand device; and __fish_seen_subcommand_from get" -l code -r -f -a "(command warren complete device 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l side-a -r -f -a "(command warren complete device 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand link; and __fish_seen_subcommand_from list" -l side-z -r -f -a "(command warren complete device 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand usage" -f -a "(command warren complete tunnel 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand explain" -f -a "(command warren complete tunnel 2>/dev/null)"
complete -c warren -n "__fish_warren_using_subcommand events" -l tunnel -r -f -a "(command warren complete tunnel 2>/dev/null)"
complete -c doublezero -w warren
