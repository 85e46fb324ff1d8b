//! Which lists are open for sign-up, and what their forms ask.

use crate::engine::{Store, on_pool};
use crate::error::{StoreError, bad_row};
use tidings_campaign::ids::ListId;
use tidings_campaign::sign_up::SignUpForm;

impl Store {
    /// The name and the form of a list that is open for sign-up.
    pub async fn sign_up_form(&self, id: ListId) -> Result<Option<(String, SignUpForm)>, StoreError> {
        const FORM: &str = "SELECT name, sign_up FROM lists WHERE id = $1 AND sign_up IS NOT NULL";
        let row: Option<(String, String)> =
            on_pool!(self, pool => sqlx::query_as(FORM).bind(id.0).fetch_optional(pool).await)?;
        let read = |(name, text): (String, String)| {
            let form = serde_json::from_str(&text)
                .map_err(|error| bad_row("lists", id, format!("sign_up: {error}")))?;
            Ok((name, form))
        };
        row.map(read).transpose()
    }
}
