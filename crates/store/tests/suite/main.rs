//! What the store promises. The promises that hold for any backend are written once, over [`backend::Backend`]; a second backend is one more line below.
//! What only SQLite and the ledger promise follows in files of their own.
#![allow(clippy::unwrap_used, reason = "tests")]

mod backend;
mod child;
mod disk_model;
mod sample;

mod access;
mod answers;
mod chain;
mod concurrent;
mod gateways;
mod history;
mod hosted;
mod keys;
mod paging;
mod secrets;

mod crash;
mod cut;
mod disk;
mod erase;
mod files;
mod ledger;
mod look;
mod sync;
mod torn;

/// Every promise, for one backend.
macro_rules! conformance {
    ($name:ident, $backend:ty) => {
        conformance!($name, $backend,
            access::an_unknown_credential_is_nobody,
            access::an_id_or_hash_that_exists_is_a_conflict,
            access::a_key_of_no_account_is_a_conflict,
            access::a_key_comes_back_with_its_account,
            access::the_owner_is_the_first_account,
            answers::a_refused_change_leaves_no_answer,
            answers::an_answered_request_is_not_done_again,
            answers::an_answer_is_its_keys_and_its_requests_alone,
            answers::an_answer_ends_after_a_day,
            answers::an_answer_outlives_its_secret_and_its_process,
            answers::an_id_finds_its_own_accounts_secret,
            chain::a_change_that_is_refused_leaves_no_event,
            chain::an_edited_event_is_found,
            chain::a_removed_event_is_found,
            chain::reordered_events_are_found,
            chain::a_planted_event_is_found,
            chain::a_hidden_event_is_found,
            chain::a_cut_off_end_shows_against_the_head_known_before,
            chain::events_come_oldest_first_and_by_name,
            chain::a_chain_belongs_to_its_deployment,
            concurrent::eight_writers_lose_nothing,
            concurrent::one_name_has_one_winner,
            concurrent::one_version_has_one_successor,
            concurrent::a_reader_notices_a_commit,
            concurrent::a_moment_does_not_change_while_it_is_looked_at,
            concurrent::a_moment_ends_with_a_panic,
            concurrent::a_reader_cannot_write,
            gateways::another_accounts_gateway_config_is_neither_found_nor_changed,
            gateways::what_every_account_has_is_neither_stored_nor_changed_nor_removed,
            gateways::a_gateway_config_comes_back_as_it_was_until_it_is_removed,
            gateways::a_gateway_configs_name_means_the_newest,
            gateways::gateway_configs_are_listed_from_the_newest_and_pages_meet,
            gateways::a_gateway_configs_answer_is_given_again,
            history::any_history_reads_as_a_map_would,
            keys::another_accounts_key_is_neither_found_nor_revoked,
            keys::a_revoked_key_stays_revoked_and_is_told_apart,
            keys::keys_are_listed_from_the_newest_and_pages_meet,
            keys::good_keys_are_those_neither_revoked_nor_ended,
            keys::the_latest_use_is_noted_and_no_event_tells_of_it,
            keys::a_request_that_comes_again_has_one_good_key,
            keys::an_account_and_its_first_key_are_one,
            keys::accounts_are_listed_from_the_oldest_and_pages_meet,
            paging::pages_go_from_the_newest_to_the_oldest,
            paging::a_page_continues_below_an_id_that_no_longer_exists,
            paging::another_account_is_never_on_a_page,
            secrets::a_name_is_taken_once_per_account,
            secrets::a_name_is_free_again_after_a_delete,
            secrets::an_update_from_another_version_is_a_conflict,
            secrets::an_update_cannot_move_a_secret,
            secrets::a_delete_of_another_version_is_a_conflict,
            secrets::a_data_key_cannot_be_exchanged,
            secrets::a_sealed_value_without_its_data_key_is_refused,
            secrets::what_was_stored_comes_back_as_it_was,
            secrets::everything_is_there_after_opening_again,
        );
    };
    ($name:ident, $backend:ty, $($file:ident::$promise:ident),+ $(,)?) => {
        mod $name {
            $(#[test] fn $promise() { crate::$file::$promise::<$backend>(); })+
        }
    };
}

conformance!(sqlite, crate::backend::Sqlite);
