//! Proofs of address: where one is needed, and each reason for which one is not taken.

mod wrong;

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use warren_ledger::{
    Keypair, ProgramError,
    accounts::{AccessPass, UserType},
    instructions::{CreateSubscribeUser, CreateUser, INSTRUCTIONS_SYSVAR, Instruction},
    proof::IpProof,
    send::{SendError, TransactionFailure},
};

use crate::{
    Case,
    stand::{HOST, OTHER_HOST, Plan, Run, Stand},
    users::another_host,
};
use wrong::{another_check, another_form, another_verifier, forged, offsets, two_signatures};

/// In the program's state: nobody makes a user without a proof.
const REQUIRED: u128 = 4;
/// In a pass: it is for more than one address.
const MULTIPLE_IP: u8 = 2;

pub const ALL: &[Case] = &[
    (
        "a_proof_is_not_needed_while_the_flag_is_off_and_one_that_is_given_is_looked_at",
        not_needed,
    ),
    (
        "refused_105_no_proof_while_the_flag_is_on_not_even_for_a_user_that_is_there",
        needed,
    ),
    (
        "the_sentinel_and_a_host_whose_pass_is_for_its_address_alone_need_no_proof",
        waived,
    ),
    (
        "refused_106_a_proof_where_the_network_names_no_verifier",
        without_verifier,
    ),
    (
        "refused_107_to_109_a_proof_for_another_owner_address_or_kind_of_service",
        of_another,
    ),
    (
        "refused_110_a_proof_of_another_epoch_than_this_one_or_the_last",
        epochs,
    ),
    (
        "refused_111_a_proof_without_the_account_of_the_transactions_instructions",
        without_sysvar,
    ),
    (
        "refused_112_a_proof_whose_signature_nobody_has_checked",
        unchecked,
    ),
    (
        "refused_113_a_check_that_does_not_point_at_its_own_bytes_in_the_one_form",
        offsets,
    ),
    ("refused_114_a_check_of_two_signatures", two_signatures),
    ("refused_115_a_proof_by_another_verifier", another_verifier),
    (
        "refused_116_and_117_a_check_of_another_signature_or_another_message",
        another_check,
    ),
    ("refused_118_a_proof_of_another_form", another_form),
    ("the_ledger_stops_a_proof_whose_signature_does_not_hold", forged),
    (
        "of_several_checks_one_that_holds_is_enough_wherever_it_stands_and_else_the_first_refusal_is_told",
        several,
    ),
    (
        "a_user_is_proven_and_made_with_eight_groups_in_one_transaction",
        with_groups,
    ),
    (
        "a_user_made_for_another_owner_is_proven_for_that_one",
        for_another,
    ),
];

/// A host whose pass is for any address, on a network with a verifier that wants a proof of it.
struct Stage {
    stand: Stand,
    verifier: Keypair,
}

impl Stage {
    fn plan(plan: &mut Plan) -> Result<Self> {
        let mut stand = plan.stand()?;
        plan.forget(stand.pass);
        stand.pass = plan.pass(Ipv4Addr::UNSPECIFIED, stand.payer.pubkey(), |_| {});
        let verifier = Keypair::generate()?;
        let key = verifier.pubkey();
        plan.state(|state| {
            (state.ip_verifier_authority, state.feature_flags) = (key, state.feature_flags | REQUIRED)
        });
        Ok(Self { stand, verifier })
    }

    /// A proof that is right.
    fn proof(&self) -> Result<IpProof> {
        Ok(IpProof::sign(
            self.stand.payer.pubkey(),
            HOST,
            self.epoch()?,
            UserType::IBRL,
            &self.verifier,
        ))
    }

    fn epoch(&self) -> Result<u64> {
        self.stand
            .network
            .rpc
            .call("getEpochInfo", serde_json::json!([]))?["epoch"]
            .as_u64()
            .context("no epoch")
    }

    fn create(&self, proof: IpProof) -> Instruction {
        CreateUser {
            proof: Some(proof),
            ..self.stand.create(UserType::IBRL)
        }
        .build(&self.stand.caller())
    }

    fn check(&self, proof: &IpProof) -> Instruction {
        proof.ed25519_instruction(&self.verifier.pubkey())
    }

    /// The user is not made with this proof, whose signature is its verifier's.
    fn refuses(&self, proof: IpProof, expected: ProgramError) -> Result<()> {
        self.refuses_all(&[self.check(&proof), self.create(proof)], expected)
    }

    /// The last one of these is refused.
    fn refuses_all(&self, instructions: &[Instruction], expected: ProgramError) -> Result<()> {
        self.stand
            .one_refused(instructions, u8::try_from(instructions.len() - 1)?, expected)?;
        ensure!(self.stand.is_closed(UserType::IBRL)?, "there is a user");
        Ok(())
    }

    /// This one proof is wrong in something that is signed.
    fn refuses_signed(&self, proof: IpProof, expected: ProgramError) -> Result<()> {
        self.refuses(
            IpProof::sign(
                proof.payer,
                proof.client_ip,
                proof.epoch,
                proof.user_type,
                &self.verifier,
            ),
            expected,
        )
    }

    /// All is well with the right one.
    fn takes(&self) -> Result<()> {
        let proof = self.proof()?;
        self.stand.all_done(&[self.check(&proof), self.create(proof)])?;
        self.stand.user(UserType::IBRL).map(drop)
    }
}

fn not_needed(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    let key = stage.verifier.pubkey();
    plan.state(|state| state.ip_verifier_authority = key);
    let other = another_host(plan, &stage.stand, OTHER_HOST)?;
    Ok(Box::new(move || {
        other.made(UserType::IBRL)?;
        let proof = stage.proof()?;
        stage.refuses_signed(
            IpProof {
                client_ip: OTHER_HOST,
                ..proof
            },
            ProgramError::IpProofClientIpMismatch,
        )?;
        stage.takes()
    }))
}

fn needed(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    let group = plan.group(1);
    plan.pass(Ipv4Addr::UNSPECIFIED, stage.stand.payer.pubkey(), |pass| {
        pass.mgroup_sub_allowlist = vec![group]
    });
    Ok(Box::new(move || {
        let (stand, missing) = (&stage.stand, ProgramError::IpOwnershipProofRequired);
        let create = || stand.create(UserType::IBRL).build(&stand.caller());
        stand.refused(create(), missing)?;
        stand.refused(stand.subscribe(group, false, true), missing)?;
        stage.takes()?;
        let user = stand.user(UserType::IBRL)?;
        stand.refused(create(), missing)?;
        // With a proof the repeat changes nothing, and is no error.
        stage.takes()?;
        ensure!(stand.user(UserType::IBRL)? == user, "the user is another one now");
        // What is not the making of a user needs none.
        stand.done(stand.delete(UserType::IBRL).build(&stand.caller()))
    }))
}

fn waived(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    let bound = another_host(plan, &stage.stand, OTHER_HOST)?;
    let mut several = another_host(plan, &stage.stand, Ipv4Addr::new(9, 128, 0, 12))?;
    several.pass = plan.pass(several.host, several.payer.pubkey(), |pass: &mut AccessPass| {
        pass.flags = MULTIPLE_IP
    });
    Ok(Box::new(move || {
        let stand = &stage.stand;
        several.refused(
            several.create(UserType::IBRL).build(&several.caller()),
            ProgramError::IpOwnershipProofRequired,
        )?;
        bound.made(UserType::IBRL)?;
        // What is not needed must be right all the same.
        let proof = IpProof::sign(
            bound.payer.pubkey(),
            HOST,
            stage.epoch()?,
            UserType::MULTICAST,
            &stage.verifier,
        );
        let create = CreateUser {
            proof: Some(proof),
            ..bound.create(UserType::MULTICAST)
        }
        .build(&bound.caller());
        bound.one_refused(
            &[stage.check(&proof), create],
            1,
            ProgramError::IpProofClientIpMismatch,
        )?;

        let mut state = stand.network.new_global_state();
        (state.sentinel, state.feature_flags) = (stand.payer.pubkey(), state.feature_flags | REQUIRED);
        stand
            .network
            .put(stand.network.pda().global_state().address, state)?;
        stand.made(UserType::IBRL).map(drop)
    }))
}

fn without_verifier(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    plan.state(|_| {});
    Ok(Box::new(move || {
        stage.refuses(stage.proof()?, ProgramError::IpVerifierNotConfigured)?;
        stage.stand.made(UserType::IBRL).map(drop)
    }))
}

fn of_another(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let (right, payer) = (stage.proof()?, Keypair::generate()?.pubkey());
        stage.refuses_signed(IpProof { payer, ..right }, ProgramError::IpProofPayerMismatch)?;
        stage.refuses_signed(
            IpProof {
                client_ip: OTHER_HOST,
                ..right
            },
            ProgramError::IpProofClientIpMismatch,
        )?;
        let user_type = UserType::MULTICAST;
        stage.refuses_signed(
            IpProof { user_type, ..right },
            ProgramError::IpProofUserTypeMismatch,
        )?;
        // All at once: the first of them is told.
        let all = IpProof {
            payer,
            client_ip: OTHER_HOST,
            user_type,
            epoch: 99,
            ..right
        };
        stage.refuses_signed(all, ProgramError::IpProofPayerMismatch)?;
        stage.takes()
    }))
}

fn epochs(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let (right, refusal) = (stage.proof()?, ProgramError::IpProofEpochOutOfWindow);
        for epoch in [right.epoch + 1, right.epoch.wrapping_sub(2), u64::MAX - 5] {
            stage.refuses_signed(IpProof { epoch, ..right }, refusal)?;
        }
        // In the ledger's very first epoch there is no last one.
        if let Some(last) = right.epoch.checked_sub(1) {
            let proof = IpProof::sign(right.payer, HOST, last, UserType::IBRL, &stage.verifier);
            stage
                .stand
                .all_done(&[stage.check(&proof), stage.create(proof)])?;
        }
        stage.takes()
    }))
}

fn without_sysvar(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let proof = stage.proof()?;
        let mut create = stage.create(proof);
        let last = create.accounts.pop().context("no account")?;
        ensure!(last.pubkey == INSTRUCTIONS_SYSVAR, "{last:?}");
        stage.refuses_all(
            &[stage.check(&proof), create],
            ProgramError::IpProofInstructionsSysvarMissing,
        )?;
        stage.takes()
    }))
}

fn unchecked(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        stage.refuses_all(
            &[stage.create(stage.proof()?)],
            ProgramError::IpProofEd25519InstructionMissing,
        )?;
        stage.takes()
    }))
}

fn several(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let (right, stranger) = (stage.proof()?, Keypair::generate()?);
        let other = IpProof::sign(
            right.payer,
            OTHER_HOST,
            right.epoch,
            right.user_type,
            &stage.verifier,
        );
        let foreign = IpProof::sign(right.payer, HOST, right.epoch, right.user_type, &stranger);
        let (wrong, foreign) = (
            stage.check(&other),
            foreign.ed25519_instruction(&stranger.pubkey()),
        );
        let create = stage.create(right);
        stage.refuses_all(
            &[wrong.clone(), foreign.clone(), create.clone()],
            ProgramError::IpProofSignatureMismatch,
        )?;
        stage.refuses_all(
            &[foreign.clone(), wrong.clone(), create.clone()],
            ProgramError::IpProofVerifierKeyMismatch,
        )?;
        stage
            .stand
            .all_done(&[foreign, create, wrong, stage.check(&right)])
    }))
}

fn with_groups(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    let groups: Vec<_> = (1..=8).map(|index| plan.group(index)).collect();
    let allowed = groups.clone();
    plan.pass(Ipv4Addr::UNSPECIFIED, stage.stand.payer.pubkey(), |pass| {
        pass.mgroup_sub_allowlist = allowed
    });
    Ok(Box::new(move || {
        let stand = &stage.stand;
        let proof = IpProof::sign(
            stand.payer.pubkey(),
            HOST,
            stage.epoch()?,
            UserType::MULTICAST,
            &stage.verifier,
        );
        let like = stand.subscription(groups[0], false, true);
        let create = stand.built(CreateSubscribeUser {
            extra_groups: groups[1..].to_vec(),
            proof: Some(proof),
            ..like
        });
        stand.one_refused(
            &[create.clone()],
            0,
            ProgramError::IpProofEd25519InstructionMissing,
        )?;
        stand.all_done(&[stage.check(&proof), create])?;
        let user = stand.user(UserType::MULTICAST)?;
        ensure!(user.subscribers == groups, "{user:?}");
        Ok(())
    }))
}

fn for_another(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    let group = plan.group(1);
    let (payer, owner, verifier) = (
        stage.stand.payer.pubkey(),
        Keypair::generate()?.pubkey(),
        stage.verifier.pubkey(),
    );
    let pass = plan.pass(Ipv4Addr::UNSPECIFIED, owner, |pass| {
        pass.mgroup_sub_allowlist = vec![group]
    });
    plan.state(|state| {
        (state.ip_verifier_authority, state.feature_flags) = (verifier, state.feature_flags | REQUIRED);
        state.feed_authority = payer;
    });
    Ok(Box::new(move || {
        let stand = &stage.stand;
        let for_owner = |proof: IpProof| {
            let like = stand.subscription(group, false, true);
            let create = CreateSubscribeUser {
                owner: Some(owner),
                access_pass: pass,
                proof: Some(proof),
                ..like
            };
            [stage.check(&proof), stand.built(create)]
        };
        let epoch = stage.epoch()?;
        let proof = |payer| IpProof::sign(payer, HOST, epoch, UserType::MULTICAST, &stage.verifier);
        stand.one_refused(&for_owner(proof(payer)), 1, ProgramError::IpProofPayerMismatch)?;
        stand.all_done(&for_owner(proof(owner)))?;
        ensure!(
            stand.user(UserType::MULTICAST)?.owner == owner,
            "the user is another's"
        );
        Ok(())
    }))
}
