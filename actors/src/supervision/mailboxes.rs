//! Who receives what right now: references change with every restart.

use std::{
    any::{Any, TypeId},
    collections::BTreeMap,
    sync::{PoisonError, RwLock},
};

use ractor::{ActorRef, Message};

/// The actors that others send messages to, each under the type of its messages: whoever sends one needs to know that type only.
#[derive(Default)]
pub(crate) struct Mailboxes(RwLock<BTreeMap<TypeId, Box<dyn Any + Send + Sync>>>);

impl Mailboxes {
    /// Messages of this type are this actor's from now on.
    pub(crate) fn set<M: Message>(&self, actor: ActorRef<M>) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(TypeId::of::<M>(), Box::new(actor));
    }

    /// Sends, and says whether there is anybody to receive it.
    pub(crate) fn send<M: Message>(&self, message: M) -> bool {
        let mailboxes = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let actor = mailboxes
            .get(&TypeId::of::<M>())
            .and_then(|actor| actor.downcast_ref::<ActorRef<M>>());
        actor.is_some_and(|actor| actor.cast(message).is_ok())
    }
}

#[cfg(test)]
mod tests {
    use ractor::{Actor, ActorProcessingErr};
    use tokio::sync::mpsc;

    use super::*;

    /// Passes its messages on with its own number.
    struct Echo;

    struct Word(u8);

    impl Actor for Echo {
        type Msg = Word;
        type State = (u8, mpsc::UnboundedSender<(u8, u8)>);
        type Arguments = Self::State;

        async fn pre_start(
            &self,
            _: ActorRef<Word>,
            own: Self::State,
        ) -> Result<Self::State, ActorProcessingErr> {
            Ok(own)
        }

        async fn handle(
            &self,
            _: ActorRef<Word>,
            Word(word): Word,
            (own, heard): &mut Self::State,
        ) -> Result<(), ActorProcessingErr> {
            Ok(heard.send((*own, word))?)
        }
    }

    #[tokio::test]
    async fn a_message_goes_to_the_actor_that_was_started_last_and_to_nobody_else() {
        let (mailboxes, (heard, mut hears)) = (Mailboxes::default(), mpsc::unbounded_channel());
        assert!(!mailboxes.send(Word(0)), "nobody was started");
        let (first, first_ended) = Actor::spawn(None, Echo, (1, heard.clone())).await.unwrap();
        mailboxes.set(first.clone());
        assert!(mailboxes.send(Word(7)));
        assert_eq!(hears.recv().await, Some((1, 7)));
        first.stop(None);
        first_ended.await.unwrap();
        assert!(!mailboxes.send(Word(8)), "it has ended");
        let (second, second_ended) = Actor::spawn(None, Echo, (2, heard)).await.unwrap();
        mailboxes.set(second.clone());
        assert!(mailboxes.send(Word(9)));
        assert_eq!(hears.recv().await, Some((2, 9)));
        assert!(!mailboxes.send(()), "messages of another type");
        second.stop(None);
        second_ended.await.unwrap();
    }
}
