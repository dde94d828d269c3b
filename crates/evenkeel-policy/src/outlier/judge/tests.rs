//! Who is judged an outlier.
