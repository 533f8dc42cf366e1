/// Lists an enum's variants and their names once: for `ALL`, `name` and `Display`.
macro_rules! named {
    ($(#[$doc:meta])* $kind:ident { $($variant:ident => $name:literal,)+ }) => {
        impl $kind {
            /// Every variant; those that metrics show have a series from the start.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$variant),+];

            $(#[$doc])*
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }

        impl std::fmt::Display for $kind {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }
    };
}
