//! The fuzz target `snapshot`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = tripline_fuzz::snapshot(data);
});
