//! The fuzz target `csv`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = tripline_fuzz::csv(data);
});
