//! The store of snapshots: a folder or an object store behind one interface. It does not depend on the contents of a
//! snapshot.

use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};
use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;
use tokio::runtime::{Builder, Runtime};

/// Why an object cannot be written or read.
#[derive(Debug, thiserror::Error)]
pub enum ObjectStoreError {
    /// The store cannot be opened.
    #[error("the snapshot store {place} cannot be used: {reason}")]
    Place {
        /// The store, as configured.
        place: String,
        /// Why not.
        reason: String,
    },
    /// An operation failed.
    #[error("snapshot {what} {name}: {reason}")]
    Object {
        /// `write`, `read`, `list` or `delete`.
        what: &'static str,
        /// The object.
        name: String,
        /// The store's error.
        reason: String,
    },
}

/// Why a store would be refused.
#[derive(Debug)]
pub struct Refusal {
    /// What would be reported.
    pub error: ObjectStoreError,
    /// Another user may be allowed to do what this one is not.
    pub is_denied: bool,
}

/// A folder or a bucket. Clones share it.
#[derive(Clone)]
pub struct Store {
    objects: Arc<dyn ObjectStore>,
    root: Path,
    runtime: Arc<Runtime>,
    is_local: bool,
    /// The folder of a store that is one.
    folder: Option<PathBuf>,
}

impl Store {
    /// Opens a store: a path is a folder, created if missing; a URL (`s3://bucket/path`) is an object store, with
    /// credentials from its usual environment.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn open(place: &str) -> Result<Store, ObjectStoreError> {
        let unusable = |reason: String| ObjectStoreError::Place { place: place.to_owned(), reason };
        if let Some(folder) = folder(place) {
            std::fs::create_dir_all(folder).map_err(|error| unusable(error.to_string()))?;
            let objects =
                LocalFileSystem::new_with_prefix(folder).map_err(|error| unusable(error.to_string()))?;
            let store = Store::over(Arc::new(objects.with_fsync(true)), Path::default(), true);
            return Ok(Store { folder: Some(PathBuf::from(folder)), ..store });
        }
        let (objects, root) = remote(place).map_err(unusable)?;
        Ok(Store::over(Arc::from(objects), root, false))
    }

    /// Why [`Store::open`] would refuse a store, or no snapshot could be written there. Nothing is created that stays:
    /// of a folder, or of the nearest one above it, it is tried whether a folder can be made in it.
    pub fn refusal(place: &str) -> Option<Refusal> {
        let (reason, is_denied) = match folder(place) {
            Some("") => ("its path is empty".to_owned(), false),
            Some(folder) => {
                let (above, found) = FilePath::new(folder).ancestors().find_map(|above| {
                    let above = if above.as_os_str().is_empty() { FilePath::new(".") } else { above };
                    Some((above, std::fs::metadata(above).ok()?))
                })?;
                if found.is_dir() {
                    let error = uncreatable(above)?;
                    let denials =
                        [std::io::ErrorKind::PermissionDenied, std::io::ErrorKind::ReadOnlyFilesystem];
                    let is_denied = denials.contains(&error.kind());
                    (format!("no folder can be created in {}: {error}", above.display()), is_denied)
                } else {
                    (format!("{} is not a folder", above.display()), false)
                }
            }
            None => (remote(place).err()?, false),
        };
        Some(Refusal { error: ObjectStoreError::Place { place: place.to_owned(), reason }, is_denied })
    }

    /// Opens a store as [`Store::open`] does, but creates no folder; `None` if it is missing.
    ///
    /// # Errors
    /// When the store cannot be opened.
    pub fn open_existing(place: &str) -> Result<Option<Store>, ObjectStoreError> {
        if folder(place).is_some_and(|folder| !FilePath::new(folder).is_dir()) {
            return Ok(None);
        }
        Store::open(place).map(Some)
    }

    /// A store over these objects, under a root.
    pub fn over(objects: Arc<dyn ObjectStore>, root: Path, is_local: bool) -> Store {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = Arc::new(runtime.expect("the system gives timers and sockets"));
        Store { objects, root, runtime, is_local, folder: None }
    }

    /// Whether only this host sees it.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    fn path(&self, name: &str) -> Path {
        self.root.parts().chain(Path::from(name).parts()).collect()
    }

    /// Writes an object as a whole, or not at all.
    ///
    /// # Errors
    /// When the store refuses the write.
    pub fn put(&self, name: &str, bytes: Vec<u8>) -> Result<(), ObjectStoreError> {
        let done = self.runtime.block_on(self.objects.put(&self.path(name), PutPayload::from(bytes)));
        done.map(drop).map_err(error("write", name))
    }

    /// Reads an object.
    ///
    /// # Errors
    /// When the object does not exist or cannot be read.
    pub fn get(&self, name: &str) -> Result<Vec<u8>, ObjectStoreError> {
        let path = self.path(name);
        let read = async { self.objects.get(&path).await?.bytes().await };
        self.runtime.block_on(read).map(Vec::from).map_err(error("read", name))
    }

    /// Names of the objects and folders directly under a name, in order.
    ///
    /// # Errors
    /// When the store does not respond. A name that does not exist is empty.
    pub fn list(&self, under: &str) -> Result<Vec<String>, ObjectStoreError> {
        let path = self.path(under);
        let found = self.runtime.block_on(self.objects.list_with_delimiter(Some(&path)));
        let found = match found {
            Ok(found) => found,
            Err(object_store::Error::NotFound { .. }) => return Ok(Vec::new()),
            Err(reason) => return Err(error("list", under)(reason)),
        };
        let objects = found.objects.into_iter().map(|object| object.location);
        let all = found.common_prefixes.into_iter().chain(objects);
        let mut names: Vec<String> = all.filter_map(|path| path.filename().map(str::to_owned)).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn delete(&self, name: &str) -> Result<(), ObjectStoreError> {
        self.runtime.block_on(self.objects.delete(&self.path(name))).map_err(error("delete", name))
    }

    /// Deletes an empty folder. In an object store there is none.
    ///
    /// # Errors
    /// When the folder is not empty, or the store refuses.
    pub fn delete_folder(&self, name: &str) -> Result<(), ObjectStoreError> {
        let Some(root) = &self.folder else { return Ok(()) };
        match std::fs::remove_dir(root.join(FilePath::new(name))) {
            Err(reason) if reason.kind() != std::io::ErrorKind::NotFound => {
                Err(error("delete", name)(reason))
            }
            _ => Ok(()),
        }
    }
}

/// Why nothing can be created in a folder.
fn uncreatable(folder: &FilePath) -> Option<std::io::Error> {
    let tried = folder.join(format!(".tripline-check-{}", std::process::id()));
    let error = std::fs::create_dir(&tried).err();
    // It is empty, and where it could be created it can be removed.
    let _ = std::fs::remove_dir(&tried);
    error
}

/// The folder of a store on this machine.
fn folder(place: &str) -> Option<&str> {
    match place.strip_prefix("file://") {
        Some(folder) => Some(folder),
        None => (!place.contains("://")).then_some(place),
    }
}

/// The object store of a URL, with credentials from its usual environment.
fn remote(place: &str) -> Result<(Box<dyn ObjectStore>, Path), String> {
    let url = url::Url::parse(place).map_err(|error| error.to_string())?;
    let given = std::env::vars().map(|(name, value)| (name.to_ascii_lowercase(), value));
    object_store::parse_url_opts(&url, given).map_err(|error| error.to_string())
}

fn error<E: std::fmt::Display>(what: &'static str, name: &str) -> impl Fn(E) -> ObjectStoreError {
    let name = name.to_owned();
    move |reason| ObjectStoreError::Object { what, name: name.clone(), reason: reason.to_string() }
}
