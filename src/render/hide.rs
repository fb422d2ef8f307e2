//! Hides secrets in what is shown, unless `--show-secrets` was given.
//!
//! Boundary: applies `domain::secrets` to the places that `operations::conceal` names.

use std::{borrow::Cow, sync::Arc};

use super::Ui;
use crate::{
    domain::secrets::Secrets,
    operations::conceal::{Kind, Quotes},
};

impl Ui {
    /// From here on these are hidden wherever they come back.
    pub fn guard(&mut self, secrets: Arc<Secrets>) {
        self.secrets = secrets;
    }

    /// `text` as it may be shown.
    pub(super) fn hide<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.show_secrets { Cow::Borrowed(text) } else { self.secrets.hide(text) }
    }

    /// `report` as it may be shown; a copy only where something in it is hidden.
    pub(super) fn hidden<'r, T: Quotes + ToOwned + ?Sized>(&self, report: &'r T) -> Cow<'r, T>
    where
        T::Owned: Quotes,
    {
        if self.show_secrets {
            return Cow::Borrowed(report);
        }
        let mut copy = report.to_owned();
        let mut changed = false;
        copy.texts(&mut |kind, text| {
            let hidden = match kind {
                Kind::Said => self.secrets.hide(text),
                Kind::Logged => self.secrets.without_known(text),
            };
            if let Cow::Owned(hidden) = hidden {
                *text = hidden;
                changed = true;
            }
        });
        if changed { Cow::Owned(copy) } else { Cow::Borrowed(report) }
    }
}
