//! `cargo xtask run`: serves `static/dist` and opens a browser.

use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};

use tiny_http::{Header, Method, Request, Response, Server, StatusCode};

use crate::failure::{Failure, Result};
use crate::process;
use crate::setup;
use crate::workspace::Workspace;

const THREADS: usize = 8;

/// A port that is ours; taken before the build, so that a port in use is known at once.
pub(crate) struct Site {
    server: Server,
    url: String,
}

impl Site {
    pub(crate) fn bind(port: u16) -> Result<Self> {
        let server = Server::http(("127.0.0.1", port)).map_err(|error| {
            Failure::new(format!(
                "could not listen on port {port} ({error}): end what uses it, or choose another with `cargo xtask run --port {}`",
                port.checked_add(1).unwrap_or(5173)
            ))
        })?;
        let port = server
            .server_addr()
            .to_ip()
            .map_or(port, |address| address.port());
        Ok(Self {
            server,
            url: format!("http://localhost:{port}"),
        })
    }

    /// Serves until the process is ended.
    pub(crate) fn serve(&self, workspace: &Workspace, open: bool) {
        println!("\n  {}\n\n  Ctrl-C ends it.", self.url);
        if open && !open_browser(&self.url) {
            println!("  No browser could be started: open that address in one.");
        }
        let dist = workspace.dist();
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    while let Ok(request) = self.server.recv() {
                        // A browser that hung up has what it wanted.
                        let _ = answer(&dist, request);
                    }
                });
            }
        });
    }
}

fn answer(dist: &Path, request: Request) -> std::io::Result<()> {
    let head = request.method() == &Method::Head;
    if !head && request.method() != &Method::Get {
        return refuse(request);
    }
    let path = request.url().split(['?', '#']).next().unwrap_or_default();
    let Some(file) = file_for(dist, path) else {
        return refuse(request);
    };
    let contents = if head {
        Vec::new()
    } else {
        std::fs::read(&file)?
    };
    let length = std::fs::metadata(&file)?.len();
    let response = with_headers(
        Response::from_data(contents),
        media_type(&file),
        cache_control(&file),
    );
    if head {
        let response = response.with_data(std::io::empty(), usize::try_from(length).ok());
        return request.respond(response);
    }
    request.respond(response)
}

/// Everything that is no file: the service worker would have answered it, so it is not there (yet).
fn refuse(request: Request) -> std::io::Result<()> {
    let body = r#"{"code":"GATEWAY_NOT_IN_CONTROL","message":"The service worker does not control this client yet","details":null,"hint":"Open the page first; outside a browser use `cargo xtask serve`"}"#;
    let response = with_headers(Response::from_string(body), "application/json", "no-store")
        .with_status_code(StatusCode(503))
        .with_header(header("Retry-After", "1"));
    request.respond(response)
}

/// The real file a path names, or nothing: there is no fallback page.
fn file_for(dist: &Path, path: &str) -> Option<PathBuf> {
    let relative = Path::new(path.strip_prefix('/')?);
    let inside = relative
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    let file = if path == "/" {
        dist.join("index.html")
    } else {
        dist.join(relative)
    };
    (inside && file.is_file()).then_some(file)
}

/// Names with a hash in them never change their content; the entry points are asked for each time.
fn cache_control(file: &Path) -> &'static str {
    match file.file_name().and_then(|name| name.to_str()) {
        Some(
            "index.html" | "sw.js" | "gateway.js" | "build.json" | "manifest.json" | "licences.txt",
        )
        | None => "no-cache",
        Some(_) => "public, max-age=31536000, immutable",
    }
}

fn media_type(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn with_headers<R: std::io::Read>(
    response: Response<R>,
    media_type: &str,
    cache_control: &str,
) -> Response<R> {
    response
        .with_header(header("Content-Type", media_type))
        .with_header(header("Cache-Control", cache_control))
        .with_header(header("Cross-Origin-Opener-Policy", "same-origin"))
        .with_header(header("Cross-Origin-Embedder-Policy", "require-corp"))
        .with_header(header("Cross-Origin-Resource-Policy", "same-origin"))
        .with_header(header("X-Content-Type-Options", "nosniff"))
}

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("these names and values are written above, in ASCII")
}

fn open_browser(url: &str) -> bool {
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let screen = cfg!(target_os = "macos")
        || ["DISPLAY", "WAYLAND_DISPLAY"]
            .iter()
            .any(|name| std::env::var_os(name).is_some());
    let Some(program) = screen
        .then(|| process::find(opener).or_else(setup::chromium))
        .flatten()
    else {
        return false;
    };
    Command::new(program)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_real_files_are_served() {
        let dist = std::env::temp_dir().join(format!("xtask-site-{}", std::process::id()));
        std::fs::create_dir_all(dist.join("wasm")).unwrap();
        for name in ["index.html", "sw.js", "wasm/gateway-0123.wasm"] {
            std::fs::write(dist.join(name), name).unwrap();
        }
        let served = |path| {
            file_for(&dist, path)
                .map(|file| file.strip_prefix(&dist).unwrap().display().to_string())
        };
        assert_eq!(served("/"), Some("index.html".to_owned()));
        assert_eq!(
            served("/wasm/gateway-0123.wasm"),
            Some("wasm/gateway-0123.wasm".to_owned())
        );
        for path in [
            "/wasm",
            "/wasm/",
            "/rest/v1/todos",
            "/../sw.js",
            "//etc/passwd",
            "/wasm/../../etc/passwd",
            "sw.js",
            "",
        ] {
            assert_eq!(served(path), None, "{path}");
        }
        std::fs::remove_dir_all(&dist).unwrap();
    }

    #[test]
    fn entry_points_are_never_cached() {
        assert_eq!(cache_control(Path::new("dist/sw.js")), "no-cache");
        assert_eq!(cache_control(Path::new("dist/index.html")), "no-cache");
        assert!(cache_control(Path::new("dist/page-0123.js")).contains("immutable"));
        assert_eq!(
            cache_control(Path::new("dist/vm/manifest.json")),
            "no-cache"
        );
        let chunk = Path::new("dist/vm/chunks/01/0123.gz");
        assert!(cache_control(chunk).contains("immutable"));
        // What is compressed here is decompressed by who asked for it, not on its way.
        assert_eq!(media_type(chunk), "application/octet-stream");
        assert_eq!(
            media_type(Path::new("dist/wasm/gateway-0123.wasm")),
            "application/wasm"
        );
    }
}
