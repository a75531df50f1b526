//! Programs that behave, and programs that do not. Every one is bounded in number and time, and ends with its fault.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::socket::{Backlog, listen, setsockopt, sockopt};

/// Longest life of any actor.
const LIFE: Duration = Duration::from_secs(60);

/// Tells all actors of a fault to end.
#[derive(Clone, Default)]
pub struct Curtain(Arc<AtomicBool>);

impl Curtain {
    /// Ends them.
    pub fn fall(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn has_fallen(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a server does with a connection.
#[derive(Clone, Copy, PartialEq)]
pub enum Manner {
    /// Answers every request with as many bytes, and closes when the client does.
    Echo,
    /// Reads everything.
    Sink,
    /// Reads to the end and never closes.
    Leak,
    /// Never reads.
    Deaf,
    /// Answers once and closes first.
    CloseFirst,
    /// Closes with the request unread.
    Abort,
}

/// A server on this port of the host that the calling thread lives in; accepts once every `pause`.
pub fn serve(at: &str, manner: Manner, backlog: i32, pause: Duration, curtain: &Curtain) {
    let listener = TcpListener::bind(at).expect("the port is free");
    if manner == Manner::Deaf {
        // Before the handshake, or the window that was promised could not be taken back.
        setsockopt(&listener, sockopt::RcvBuf, &8192).expect("a buffer can be made smaller");
    }
    listen(&listener, Backlog::new(backlog).expect("a small number")).expect("a listener can listen again");
    listener.set_nonblocking(true).expect("a listener can be made so");
    let (born, mut held) = (Instant::now(), Vec::new());
    while !curtain.has_fallen() && born.elapsed() < LIFE {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(false).expect("a stream can be made so");
                if manner == Manner::Deaf {
                    held.push(stream);
                } else {
                    let curtain = curtain.clone();
                    thread::spawn(move || attend(stream, manner, &curtain));
                }
                thread::sleep(pause);
            }
            Err(_) => thread::sleep(Duration::from_millis(2)),
        }
    }
}

fn attend(mut stream: TcpStream, manner: Manner, curtain: &Curtain) {
    let _ = stream.set_read_timeout(Some(Duration::from_millis(200)));
    let mut buffer = vec![0; 65_536];
    if manner == Manner::Abort {
        thread::sleep(Duration::from_millis(20));
        return;
    }
    while !curtain.has_fallen() {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(_) if manner == Manner::Sink => {}
            Ok(length) => {
                let answered = stream.write_all(&buffer[..length]).is_ok();
                if !answered || manner == Manner::CloseFirst {
                    return;
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
    while manner == Manner::Leak && !curtain.has_fallen() {
        thread::sleep(Duration::from_millis(100));
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut)
}

/// A client's way of connecting.
#[derive(Clone, Copy)]
pub struct Call {
    /// To where.
    pub to: SocketAddr,
    /// Bytes of a request.
    pub bytes: usize,
    /// Time between requests, or between connections.
    pub every: Duration,
}

impl Call {
    fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.to, Duration::from_secs(8))?;
        stream.set_read_timeout(Some(Duration::from_secs(8)))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    fn request(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(&vec![b'x'; self.bytes])?;
        let mut answer = vec![0; self.bytes];
        stream.read_exact(&mut answer)
    }
}

/// A connection for every request.
pub fn churn(call: Call, curtain: &Curtain) {
    paced(call.every, curtain, || {
        let _ = call.connect().and_then(|mut stream| call.request(&mut stream));
    });
}

/// Connects, says nothing, and resets: a load balancer's health check.
pub fn health_check(call: Call, curtain: &Curtain) {
    paced(call.every, curtain, || {
        let Ok(stream) = call.connect() else { return };
        let now = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        let _ = setsockopt(&stream, sockopt::Linger, &now);
    });
}

/// Connects once a pause and leaves at once, without an answer.
pub fn hang_up(call: Call, curtain: &Curtain) {
    paced(call.every, curtain, || {
        let Ok(mut stream) = call.connect() else { return };
        let _ = stream.write_all(&vec![b'x'; call.bytes]);
    });
}

fn paced(every: Duration, curtain: &Curtain, mut act: impl FnMut()) {
    let born = Instant::now();
    let mut next = born;
    while !curtain.has_fallen() && born.elapsed() < LIFE {
        act();
        next += every;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
}

/// Many requests on one connection.
pub fn converse(call: Call, curtain: &Curtain) {
    let Ok(mut stream) = call.connect() else { return };
    let mut well = true;
    paced(call.every, curtain, || {
        if well {
            well = call.request(&mut stream).is_ok();
        }
    });
}

/// Sends as much as the pace allows.
pub fn upload(call: Call, curtain: &Curtain) {
    let Ok(mut stream) = call.connect() else { return };
    let block = vec![b'x'; call.bytes];
    paced(call.every, curtain, || {
        let _ = stream.write_all(&block);
    });
}

/// Opens connections, sends a request on each if there are bytes, and keeps them.
pub fn hold(call: Call, count: usize, curtain: &Curtain) {
    let mut held: Vec<TcpStream> = (0..count).filter_map(|_| call.connect().ok()).collect();
    for stream in &mut held {
        let _ = setsockopt(stream, sockopt::KeepAlive, &true);
        let _ = setsockopt(stream, sockopt::TcpKeepIdle, &2);
        let _ = setsockopt(stream, sockopt::TcpKeepInterval, &2);
        if call.bytes > 0 {
            let _ = stream.set_nonblocking(true);
            while stream.write(&vec![b'x'; call.bytes]).is_ok_and(|sent| sent == call.bytes) {}
        }
    }
    paced(Duration::from_millis(100), curtain, || {});
}

/// Makes one request and keeps the connection, whatever the server does: a pool that nobody cleans.
pub fn keep_after_answer(call: Call, curtain: &Curtain) {
    let Ok(mut stream) = call.connect() else { return };
    let _ = call.request(&mut stream);
    paced(call.every, curtain, || {});
}
