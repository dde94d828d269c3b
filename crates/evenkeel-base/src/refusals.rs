//! The table of reasons to refuse a message, one for each codec: what a row has is said here once.

/// Makes `Refusal` of rows: variant, name, rule, the fault of a request, the fault of a response, and a sentence.
#[macro_export]
macro_rules! refusals {
    ($($variant:ident $name:literal $rfc:literal $request:ident $response:ident $about:literal;)*) => {
        /// A reason to refuse a message. See [`Refusal::about`] for each.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u8)]
        pub enum Refusal {
            $(#[doc = $about] $variant,)*
        }

        impl Refusal {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in logs and tests.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What is wrong, in a sentence for people.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }

            /// The rule it breaks.
            #[must_use]
            pub const fn rfc(self) -> &'static str {
                match self { $(Self::$variant => $rfc,)* }
            }

            /// The fault when a request was refused.
            #[must_use]
            pub const fn fault_of_request(self) -> $crate::Fault {
                match self { $(Self::$variant => $crate::Fault::$request,)* }
            }

            /// The fault when a response was refused.
            #[must_use]
            pub const fn fault_of_response(self) -> $crate::Fault {
                match self { $(Self::$variant => $crate::Fault::$response,)* }
            }
        }
    };
}
