//! The proof of consent, for those who must show it.

use crate::engine::{Store, on_pool};
use crate::error::StoreError;
use tidings_campaign::ids::{ListId, SignUpId};

/// A sign-up with everything that is known of it.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct ExportedSignUp {
    /// Its number, by which the next page is found.
    pub id: i64,
    /// The address as it was written.
    pub address: String,
    /// The list's name.
    pub list: String,
    /// Where the form stood.
    pub form: String,
    /// The language of the form.
    pub language: String,
    /// What the person agreed to.
    pub text: String,
    /// By what that was shown: `page`, `form` or `unproven`.
    pub text_shown_by: String,
    /// The name that was written.
    pub name: String,
    /// The attributes that were written, as the text of a JSON object.
    pub attributes: String,
    /// When it was asked for, UTC microseconds.
    pub asked_at: i64,
    /// From which network address, or its keyed hash.
    pub network: Option<String>,
    /// By which program.
    pub user_agent: String,
    /// When it was confirmed, UTC microseconds.
    pub confirmed_at: Option<i64>,
    /// From which network address, or its keyed hash.
    pub confirmed_network: Option<String>,
    /// By which program.
    pub confirmed_user_agent: Option<String>,
    /// How the recipient stood on the list before: `none`, `pending`, `confirmed` or `unsubscribed`.
    pub was: Option<String>,
}

impl Store {
    /// A page of all sign-ups, or of those for one list, by number: up to `limit` after `after`.
    pub async fn export_sign_ups(
        &self,
        list: Option<ListId>,
        after: SignUpId,
        limit: i64,
    ) -> Result<Vec<ExportedSignUp>, StoreError> {
        const PAGE: &str = "SELECT s.id, s.address, l.name AS list, s.form, s.language, s.text, s.text_shown_by, s.name, \
            s.attributes, s.asked_at, s.network, s.user_agent, s.confirmed_at, s.confirmed_network, \
            s.confirmed_user_agent, s.was FROM sign_ups s JOIN lists l ON l.id = s.list_id \
            WHERE s.id > $1 AND (s.list_id = $2 OR $2 IS NULL) ORDER BY s.id LIMIT $3";
        Ok(
            on_pool!(self, pool => sqlx::query_as(PAGE).bind(after.0).bind(list.map(|list| list.0)).bind(limit)
            .fetch_all(pool).await)?,
        )
    }
}
