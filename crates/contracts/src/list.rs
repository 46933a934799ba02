//! Requests for one page of a list (AIP-158, <https://google.aip.dev/158>).

use prost::{Message, Name};

use crate::{identity, ingest, messaging, operations, scheduler};

/// A request for one page of a list.
pub trait ListRequest {
    /// How many the page may hold; 0: as many as is usual.
    fn page_size(&self) -> i32;

    /// Where it begins; empty: at the beginning.
    fn page_token(&self) -> &str;

    /// What all pages of one list have in common, in bytes: what is asked for, and every filter.
    fn list(&self) -> Vec<u8>;
}

/// Implements [`ListRequest`] of messages with `page_token`; those behind the semicolon have no `page_size`.
macro_rules! lists {
    ($($sized:ty),+ $(,)?; $($unsized:ty),+ $(,)?) => {
        $(impl ListRequest for $sized {
            fn page_size(&self) -> i32 {
                self.page_size
            }

            fn page_token(&self) -> &str {
                &self.page_token
            }

            fn list(&self) -> Vec<u8> {
                let mut request = self.clone();
                request.page_size = 0;
                request.page_token.clear();
                bytes(&request)
            }
        })+
        $(impl ListRequest for $unsized {
            fn page_size(&self) -> i32 {
                0
            }

            fn page_token(&self) -> &str {
                &self.page_token
            }

            fn list(&self) -> Vec<u8> {
                let mut request = self.clone();
                request.page_token.clear();
                bytes(&request)
            }
        })+
        /// The names of all of them.
        #[cfg(test)]
        fn names() -> Vec<String> {
            vec![$(<$sized>::full_name(),)+ $(<$unsized>::full_name(),)+]
        }
    };
}

lists! {
    identity::v1::ListActivitiesRequest,
    identity::v1::ListCustomersRequest,
    identity::v1::ListDuplicateSuspicionsRequest,
    identity::v1::ListFriendsRequest,
    identity::v1::ListLinkAttemptsRequest,
    identity::v1::ListLinksRequest,
    identity::v1::ListMergesRequest,
    identity::v1::ListOfficialAccountsRequest,
    identity::v1::ListOrganizationsRequest,
    identity::v1::ListPrincipalsRequest,
    identity::v1::ListProvidersRequest,
    identity::v1::ListStaffMembersRequest,
    identity::v1::ListStaffInvitationsRequest,
    identity::v1::ListTakeoverRequestsRequest,
    identity::v1::ListTenantsRequest,
    ingest::v1::ListFindingsRequest,
    ingest::v1::ListErasuresRequest,
    ingest::v1::ListForwardingTargetsRequest,
    ingest::v1::ListQuarantinedBodiesRequest,
    ingest::v1::ListReplaysRequest,
    ingest::v1::ListWebhookEventsRequest,
    messaging::v1::ListConversationsRequest,
    messaging::v1::ListDigestsRequest,
    messaging::v1::ListMessagesRequest,
    messaging::v1::ListNoticesRequest,
    messaging::v1::ListOutboundMessagesRequest,
    messaging::v1::ListRemindersRequest,
    operations::v1::ListDeadLettersRequest,
    scheduler::v1::ListDigestSlotsRequest,
    scheduler::v1::ListMissedTimersRequest,
    scheduler::v1::ListReminderRulesRequest,
    scheduler::v1::ListTimersRequest;
    messaging::v1::ListFollowersRequest,
}

fn bytes<M: Message + Name>(request: &M) -> Vec<u8> {
    let mut bytes = M::full_name().into_bytes();
    // No name holds it, so that no two requests give the same bytes.
    bytes.push(0);
    bytes.extend(request.encode_to_vec());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use identity::v1::{ListFriendsRequest, ListProvidersRequest, ListTenantsRequest};

    #[test]
    fn the_pages_of_one_list_have_its_method_and_its_filters_in_common() {
        let friends = |page_size, page_token: &str, account: &str| ListFriendsRequest {
            page_size,
            page_token: page_token.to_owned(),
            account_id: account.to_owned(),
            ..Default::default()
        };
        assert_eq!(friends(1, "", "a").list(), friends(2, "next", "a").list());
        assert_ne!(friends(1, "", "a").list(), friends(1, "", "b").list());
        assert_ne!(ListTenantsRequest::default().list(), ListProvidersRequest::default().list());
    }

    #[test]
    fn every_request_with_a_page_token_is_one_for_a_page() {
        let pool = prost_reflect::DescriptorPool::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
        let paged = pool.all_messages().filter(|message| message.get_field_by_name("page_token").is_some());
        let mut paged: Vec<String> = paged.map(|message| message.full_name().to_owned()).collect();
        let mut names = names();
        paged.sort();
        names.sort();
        assert_eq!(names, paged);
    }
}
