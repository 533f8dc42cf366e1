//! Proofs that are none.

use super::*;

pub(super) fn offsets(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        // Where an instruction is named by its place: the ledger takes each of these.
        for at in [4, 8, 14] {
            let proof = stage.proof()?;
            let mut check = stage.check(&proof);
            check.data[at..at + 2].copy_from_slice(&2_u16.to_le_bytes());
            stage.refuses_all(
                &[check, stage.create(proof)],
                ProgramError::IpProofEd25519OffsetsInvalid,
            )?;
        }
        // More bytes than the form has.
        let proof = stage.proof()?;
        let mut check = stage.check(&proof);
        check.data.push(0);
        stage.refuses_all(
            &[check, stage.create(proof)],
            ProgramError::IpProofEd25519OffsetsInvalid,
        )?;
        stage.takes()
    }))
}

pub(super) fn two_signatures(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        const OFFSETS: usize = 14;
        let proof = stage.proof()?;
        let mut check = stage.check(&proof);
        // The same signature twice: all that follows the offsets moves by their length.
        let mut offsets = check.data[2..2 + OFFSETS].to_vec();
        for at in [0, 4, 8] {
            let moved = u16::from_le_bytes([offsets[at], offsets[at + 1]]) + u16::try_from(OFFSETS)?;
            offsets[at..at + 2].copy_from_slice(&moved.to_le_bytes());
        }
        check
            .data
            .splice(..2 + OFFSETS, [&[2, 0][..], &offsets, &offsets].concat());
        stage.refuses_all(
            &[check, stage.create(proof)],
            ProgramError::IpProofSignatureCountInvalid,
        )?;
        stage.takes()
    }))
}

pub(super) fn another_verifier(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let (right, other) = (stage.proof()?, Keypair::generate()?);
        let proof = IpProof::sign(right.payer, right.client_ip, right.epoch, right.user_type, &other);
        let check = proof.ed25519_instruction(&other.pubkey());
        stage.refuses_all(
            &[check, stage.create(proof)],
            ProgramError::IpProofVerifierKeyMismatch,
        )?;
        stage.takes()
    }))
}

pub(super) fn another_check(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let right = stage.proof()?;
        let forged = IpProof {
            signature: [7; 64],
            ..right
        };
        stage.refuses_all(
            &[stage.check(&right), stage.create(forged)],
            ProgramError::IpProofSignatureMismatch,
        )?;
        // The signature is that of another proof, which is the one that is checked.
        let other = IpProof::sign(
            right.payer,
            OTHER_HOST,
            right.epoch,
            right.user_type,
            &stage.verifier,
        );
        let borrowed = IpProof {
            signature: other.signature,
            ..right
        };
        stage.refuses_all(
            &[stage.check(&other), stage.create(borrowed)],
            ProgramError::IpProofMessageMismatch,
        )?;
        stage.takes()
    }))
}

pub(super) fn another_form(plan: &mut Plan) -> Result<Run> {
    const PROOF: usize = 110;
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        for version in [0, 2, 255] {
            let proof = stage.proof()?;
            let mut create = stage.create(proof);
            let at = create.data.len() - PROOF;
            create.data[at] = version;
            stage.refuses_all(
                &[stage.check(&proof), create],
                ProgramError::IpProofVersionUnsupported,
            )?;
        }
        // One that is cut, and one that neither is there nor is not.
        let mut cut = stage.create(stage.proof()?);
        cut.data.pop();
        ensure!(stage.stand.send(cut)?.is_err(), "a proof that is cut was taken");
        let mut neither = stage.create(stage.proof()?);
        let at = neither.data.len() - PROOF - 1;
        neither.data[at] = 2;
        stage.stand.stopped(neither, "InvalidInstructionData")?;
        stage.takes()
    }))
}

pub(super) fn forged(plan: &mut Plan) -> Result<Run> {
    let stage = Stage::plan(plan)?;
    Ok(Box::new(move || {
        let proof = IpProof {
            signature: [7; 64],
            ..stage.proof()?
        };
        let sent = stage
            .stand
            .network
            .send(&[stage.check(&proof), stage.create(proof)], &stage.stand.payer)?;
        let error = sent.err().context("a signature that does not hold was taken")?;
        let SendError::Failed {
            failure:
                TransactionFailure::Instruction {
                    instruction: 2,
                    reason,
                },
            ..
        } = &error
        else {
            bail!("{error:?}");
        };
        ensure!(
            reason.contains("a signature in the transaction is not valid"),
            "{error:?}"
        );
        ensure!(stage.stand.is_closed(UserType::IBRL)?, "there is a user");
        stage.takes()
    }))
}
