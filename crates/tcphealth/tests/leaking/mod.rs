//! A program that does not close, which several tests play.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Connections that their clients have closed and we have not, and their listener.
pub(crate) fn leak(count: usize) -> (TcpListener, Vec<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let accept = |_| {
        let mut client = TcpStream::connect(listener.local_addr().expect("bound")).expect("a connection");
        let mut server = listener.accept().expect("a connection").0;
        server.write_all(b"x").expect("a byte is sent");
        client.read_exact(&mut [0]).expect("a byte arrives");
        server
    };
    let leaked = (0..count).map(accept).collect();
    (listener, leaked)
}
