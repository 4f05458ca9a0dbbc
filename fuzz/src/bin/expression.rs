//! The fuzz target `expression`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = tripline_fuzz::expression(data);
});
