//! The texts of which there are a few only: for the description, from the very lists that the code matches on.

use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ObjectBuilder, Type},
    },
};

macro_rules! described {
    ($($name:ident, $docs:literal, $texts:expr;)+) => {
        $(
            #[doc = $docs]
            pub struct $name;

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    let texts: Vec<&str> = $texts.into_iter().collect();
                    ObjectBuilder::new()
                        .schema_type(Type::String)
                        .description(Some($docs))
                        .enum_values(Some(texts))
                        .into()
                }
            }

            impl ToSchema for $name {}
        )+
    };
}

described! {
    Phase, "Where a tunnel is in its life.", warren_state::Phase::ALL.map(warren_state::Phase::name);
    SessionStatus, "The status of a BGP session, in the reference's words.",
        warren_state::SessionStatus::ALL.map(warren_state::SessionStatus::name);
    SessionCause, "What is in the way of a session.",
        warren_state::SessionCause::ALL.into_iter().filter_map(warren_state::SessionCause::name);
    FaultClass, "What may be done about a failure.",
        warren_state::FaultClass::ALL.map(warren_state::FaultClass::name);
    ServiceKind, "A service, as the reference names it.",
        warren_state::ServiceKind::ALL.map(warren_state::ServiceKind::name);
    BgpState, "Where a session is (RFC 4271 section 8.2.2).",
        warren_state::standing::BgpState::ALL.map(warren_state::standing::BgpState::name);
    Backend, "The dataplane's backend.", warren_state::Backend::ALL.map(warren_state::Backend::name);
    ReadProblem, "What is wrong with a ledger's endpoint.",
        warren_state::ReadProblem::ALL.map(warren_state::ReadProblem::name);
    HealthPurpose, "What health is asked for.", warren_state::health::Purpose::ALL.map(warren_state::health::Purpose::name);
    HealthVerdict, "The verdict on health.", warren_state::health::HealthVerdict::ALL.map(warren_state::health::HealthVerdict::name);
    HealthCode, "A condition that makes a host unhealthy.", warren_state::health::HealthCode::ALL.map(warren_state::health::HealthCode::name);
    Role, "Which end of its tunnels a host is.", warren_state::RoleKind::ALL.map(warren_state::RoleKind::name);
}
