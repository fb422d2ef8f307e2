//! The MCP server that the tests and the demo run in containers: two tools over streamable HTTP, and ways to misbehave.
//!
//! Boundary: a real server by the official SDK, so that probes meet what they meet in the field; nothing of `mcp` itself.
//! Next: `options` reads the command line, `tools` is what clients see.

mod options;
mod tools;

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::ExitCode,
    time::Duration,
};

use axum::{Router, extract::Request, middleware, middleware::Next, response::Response};
use options::Options;
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::local::LocalSessionManager,
};
use tokio::signal::unix::{Signal, SignalKind, signal};

fn main() -> ExitCode {
    let options = match Options::read(std::env::args().skip(1), std::env::var("PORT").ok()) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("mcp-server: {message}\n\n{}", options::USAGE);
            return ExitCode::from(2);
        }
    };
    if options.check {
        return check(options.port);
    }
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(serve(options)),
        Err(error) => fail(&format!("cannot start: {error}")),
    }
}

async fn serve(options: Options) -> ExitCode {
    // As PID 1 of a container a process gets no default action for SIGTERM, so the handler stands before anything is said.
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return fail("cannot take signals");
    };
    for number in 1..=options.log_lines {
        println!("line {number}");
    }
    // Held to the end: memory that is written to is memory that counts.
    let _ballast = vec![1_u8; options.eat_memory << 20];
    let listener = match tokio::net::TcpListener::bind(("0.0.0.0", options.port)).await {
        Ok(listener) => listener,
        Err(error) => return fail(&format!("cannot listen on port {}: {error}", options.port)),
    };
    // The SDK's guard against DNS rebinding stays on: probes must get past it, as they must in the field.
    let config = StreamableHttpServerConfig::default();
    let service: StreamableHttpService<tools::Tools, LocalSessionManager> =
        StreamableHttpService::new(|| Ok(tools::Tools::new()), std::sync::Arc::default(), config);
    let router = Router::new().nest_service("/mcp", service).layer(middleware::from_fn(log));
    eprintln!("mcp-server {} listens on port {} at /mcp", env!("CARGO_PKG_VERSION"), options.port);

    tokio::select! {
        ended = axum::serve(listener, router) => match ended {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&format!("cannot serve: {error}")),
        },
        () = tick(options.tick) => ExitCode::SUCCESS,
        code = end(options.exit, options.after) => {
            eprintln!("ending with code {code}, as told");
            ExitCode::from(code)
        }
        () = told_to_end(&mut terminate, options.ignore_term) => {
            eprintln!("ended by SIGTERM");
            ExitCode::SUCCESS
        }
        _ = interrupt.recv() => ExitCode::from(130),
    }
}

async fn log(request: Request, next: Next) -> Response {
    let line = format!("{} {}", request.method(), request.uri().path());
    let response = next.run(request).await;
    eprintln!("{line} {}", response.status().as_u16());
    response
}

/// Prints a numbered line each `period`; never ends.
async fn tick(period: Option<Duration>) {
    let Some(period) = period else { return std::future::pending().await };
    let mut interval = tokio::time::interval(period);
    for number in 1_u64.. {
        interval.tick().await;
        println!("tick {number}");
    }
}

/// Waits for a SIGTERM that counts.
async fn told_to_end(terminate: &mut Signal, ignore: bool) {
    loop {
        terminate.recv().await;
        if !ignore {
            return;
        }
        eprintln!("SIGTERM ignored, as told");
    }
}

/// Waits for the end that was asked for, if one was.
async fn end(exit: Option<u8>, after: Duration) -> u8 {
    let Some(code) = exit else { return std::future::pending().await };
    tokio::time::sleep(after).await;
    code
}

/// What the image's HEALTHCHECK runs: does the server answer at all?
fn check(port: u16) -> ExitCode {
    let answer = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| {
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /mcp HTTP/1.0\r\nHost: localhost\r\n\r\n")?;
        let mut start = [0; 5];
        stream.read_exact(&mut start)?;
        Ok(start)
    });
    match answer {
        Ok(start) if &start == b"HTTP/" => ExitCode::SUCCESS,
        Ok(_) => fail("the port answers, but not in HTTP"),
        Err(error) => fail(&format!("no answer: {error}")),
    }
}

fn fail(message: &str) -> ExitCode {
    eprintln!("mcp-server: {message}");
    ExitCode::FAILURE
}
