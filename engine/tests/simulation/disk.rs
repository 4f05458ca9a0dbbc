//! A disk for snapshots that is full, cannot be reached, tears what is being written when the process dies, and rots.

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use std::fmt;
use std::sync::{Arc, Mutex};

/// What the disk does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Well,
    /// Nothing more can be written.
    Full,
    /// It gives no answer but an error.
    Away,
    /// The process dies while it writes: of the object this share in a thousand gets there, or nothing of it.
    Tears(Option<usize>),
}

#[derive(Debug, Default)]
struct State {
    mood: Mood,
    /// Names of what was written, in order.
    written: Vec<String>,
}

/// The disk. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    objects: Arc<InMemory>,
    state: Arc<Mutex<State>>,
}

impl fmt::Display for Disk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a simulated disk")
    }
}

fn failed(reason: &'static str) -> Error {
    Error::Generic { store: "simulated disk", source: reason.into() }
}

impl Disk {
    /// Gives the mood before.
    pub fn set(&self, mood: Mood) -> Mood {
        std::mem::replace(&mut self.state.lock().unwrap().mood, mood)
    }

    /// Whether it can be read.
    fn reached(&self) -> Result<()> {
        let is_away = self.state.lock().unwrap().mood == Mood::Away;
        if is_away { Err(failed("it cannot be reached")) } else { Ok(()) }
    }

    /// Names of the objects that were written, in order.
    pub fn written(&self) -> Vec<String> {
        self.state.lock().unwrap().written.clone()
    }
}

#[async_trait]
impl ObjectStore for Disk {
    async fn put_opts(&self, path: &Path, payload: PutPayload, options: PutOptions) -> Result<PutResult> {
        let mood = self.state.lock().unwrap().mood;
        match mood {
            Mood::Well => {
                self.state.lock().unwrap().written.push(path.to_string());
                self.objects.put_opts(path, payload, options).await
            }
            Mood::Full => Err(failed("no space left on the device")),
            Mood::Away => Err(failed("it cannot be reached")),
            Mood::Tears(share) => {
                if let Some(share) = share {
                    let mut bytes: Vec<u8> = payload.iter().flat_map(|part| part.to_vec()).collect();
                    bytes.truncate(bytes.len() * share / 1_000);
                    self.objects.put_opts(path, PutPayload::from(bytes), options).await?;
                }
                Err(failed("the process died"))
            }
        }
    }

    async fn put_multipart_opts(
        &self,
        path: &Path,
        options: PutMultipartOptions,
    ) -> Result<Box<dyn MultipartUpload>> {
        self.objects.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.reached()?;
        self.objects.get_opts(path, options).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.objects.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.objects.list(prefix)
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.reached()?;
        self.objects.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.objects.copy_opts(from, to, options).await
    }
}
