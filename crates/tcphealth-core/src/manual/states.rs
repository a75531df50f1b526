//! The eleven TCP states: what each is, who is in it, how it ends, what to do.
//!
//! Source: RFC 9293 §3.3.2; include/net/tcp_states.h.

use super::{Article, Kind, Part};
use crate::snapshot::State;
use crate::text;
use crate::words::Text;

struct Page {
    state: State,
    /// How ss and the RFC write it, and what else people type.
    spellings: &'static [&'static str],
    rfc: &'static str,
    what: Text,
    who: Text,
    ends: Text,
    act: Text,
}

/// One article a state, in the kernel's order.
pub(super) fn articles() -> impl Iterator<Item = Article> {
    PAGES.iter().map(|page| Article {
        kind: Kind::State,
        word: page.state.name().to_owned(),
        spellings: page.spellings.iter().map(|&spelling| spelling.to_owned()).collect(),
        title: page.what.into(),
        parts: vec![
            Part::new(text! { en: "Who is in it", ko: "누가 이 상태인가" }, page.who),
            Part::new(text! { en: "How it ends", ko: "어떻게 끝나는가" }, page.ends),
            Part::new(text! { en: "What to do", ko: "할 일" }, page.act),
            Part::same(
                text! { en: "Names", ko: "이름" },
                format!("kernel {}, ss {}, RFC 9293 {}", page.state.name(), ss(page), page.rfc),
            ),
        ],
    })
}

fn ss(page: &Page) -> &'static str {
    page.spellings.first().copied().unwrap_or_default()
}

const PAGES: &[Page] = &[
    Page {
        state: State::Established,
        spellings: &["ESTAB", "ESTABLISHED"],
        rfc: "ESTABLISHED",
        what: text! { en: "Open: data flow both ways.", ko: "연결됨: 양방향으로 데이터가 오간다." },
        who: text! {
            en: "Both ends, from the third segment of the handshake to the first FIN.",
            ko: "핸드셰이크의 세 번째 세그먼트부터 첫 FIN까지 양쪽 모두."
        },
        ends: text! {
            en: "By the first FIN (FIN_WAIT1 for who sends it, CLOSE_WAIT for who receives it), by a reset, or when retransmissions or \
                 keepalives are given up. Silence alone never ends it.",
            ko: "첫 FIN(보낸 쪽은 FIN_WAIT1, 받은 쪽은 CLOSE_WAIT), RST, 또는 재전송이나 keepalive를 포기할 때 끝난다. 조용하다는 이유만으로는 \
                 끝나지 않는다."
        },
        act: text! {
            en: "Nothing. Send-Q that stays: the peer does not acknowledge or does not read. Recv-Q that stays: our program does not read. \
                 Inode 0 on a listening port: not accepted yet.",
            ko: "없음. Send-Q가 줄지 않으면 상대가 확인하지 않거나 읽지 않는 것이고, Recv-Q가 줄지 않으면 우리 프로그램이 읽지 않는 것이다. 리스닝 \
                 포트에서 inode가 0이면 아직 accept되지 않은 연결이다."
        },
    },
    Page {
        state: State::SynSent,
        spellings: &["SYN-SENT", "SYN_SENT"],
        rfc: "SYN-SENT",
        what: text! { en: "We asked for a connection and wait for the answer.", ko: "연결을 요청하고 응답을 기다린다." },
        who: text! { en: "The side that called connect(), for one round trip.", ko: "connect()를 호출한 쪽. 정상이면 왕복 한 번 동안만." },
        ends: text! {
            en: "By SYN-ACK (ESTABLISHED), by a reset (connection refused), by an ICMP error, or after about 130 s of repeated SYNs \
                 (tcp_syn_retries 6).",
            ko: "SYN-ACK를 받으면 ESTABLISHED, RST를 받으면 connection refused, ICMP 오류, 또는 SYN을 약 130초 동안 되풀이한 뒤(tcp_syn_retries 6) \
                 끝난다."
        },
        act: text! {
            en: "Several with a retransmission timer: the peer or a firewall does not answer. See connect-unanswered.",
            ko: "재전송 타이머가 걸린 것이 여럿이면 상대나 방화벽이 응답하지 않는 것이다. connect-unanswered 참조."
        },
    },
    Page {
        state: State::SynRecv,
        spellings: &["SYN-RECV", "SYN_RECV", "SYN-RCVD", "SYN_RCVD", "SYN-RECEIVED", "NEW_SYN_RECV"],
        rfc: "SYN-RECEIVED",
        what: text! {
            en: "A client asked, we answered with SYN-ACK; its last ACK is missing.",
            ko: "클라이언트의 요청에 SYN-ACK로 답했고 마지막 ACK를 기다린다."
        },
        who: text! {
            en: "The server side, for one round trip. They are small request sockets in the listener's SYN queue.",
            ko: "서버 쪽. 정상이면 왕복 한 번 동안만. 리스너의 SYN 큐에 있는 작은 요청 소켓이다."
        },
        ends: text! {
            en: "By the last ACK (ESTABLISHED, into the accept queue), by a reset, or after tcp_synack_retries (5) repeated SYN-ACKs, about \
                 a minute.",
            ko: "마지막 ACK를 받으면 ESTABLISHED가 되어 accept 큐로 가고, RST를 받거나 SYN-ACK를 tcp_synack_retries(5)번 되풀이한 뒤(약 1분) \
                 끝난다."
        },
        act: text! {
            en: "Many with retries from everywhere: a SYN flood. From one network only: our answers do not reach it. Without retries, while the \
                 accept queue is full: the program does not accept.",
            ko: "재시도 중인 것이 여러 곳에서 많으면 SYN flood, 한 네트워크에서만 많으면 우리 응답이 그곳에 닿지 않는 것이다. 재시도 없이 accept 큐가 \
                 가득 차 있으면 프로그램이 accept하지 않는 것이다."
        },
    },
    Page {
        state: State::FinWait1,
        spellings: &["FIN-WAIT-1", "FIN_WAIT1", "FIN_WAIT_1"],
        rfc: "FIN-WAIT-1",
        what: text! {
            en: "We closed; our FIN, and perhaps data before it, is not acknowledged.",
            ko: "우리가 먼저 닫았고 FIN(과 그 앞의 데이터)이 아직 확인되지 않았다."
        },
        who: text! { en: "The active closer, for one round trip.", ko: "먼저 닫은 쪽(active closer). 정상이면 왕복 한 번 동안만." },
        ends: text! {
            en: "By the ACK of the FIN (FIN_WAIT2), by the peer's FIN (CLOSING or TIME_WAIT), or after tcp_orphan_retries when nobody holds the \
                 socket any more.",
            ko: "FIN에 대한 ACK를 받으면 FIN_WAIT2, 상대의 FIN을 받으면 CLOSING 또는 TIME_WAIT가 되고, 프로세스가 없는 소켓은 tcp_orphan_retries \
                 뒤에 끝난다."
        },
        act: text! {
            en: "Those that stay hold memory: with a persist timer the peer does not read, with a growing retransmission count it does not answer.",
            ko: "오래 남은 것은 메모리를 차지한다. persist 타이머면 상대가 읽지 않는 것이고, 재전송 횟수가 늘면 상대가 응답하지 않는 것이다."
        },
    },
    Page {
        state: State::FinWait2,
        spellings: &["FIN-WAIT-2", "FIN_WAIT2", "FIN_WAIT_2", "FIN_WAIT"],
        rfc: "FIN-WAIT-2",
        what: text! {
            en: "We closed and the peer knows; the peer has not closed its side.",
            ko: "우리가 닫은 것을 상대가 확인했지만 상대는 아직 닫지 않았다."
        },
        who: text! {
            en: "The active closer. After close() the kernel keeps it as a small TIME_WAIT-like socket, and sockstat counts it in tw; after \
                 shutdown() the program still holds it.",
            ko: "먼저 닫은 쪽. close() 뒤에는 커널이 TIME_WAIT와 비슷한 작은 소켓으로 보관하며 sockstat의 tw에 포함된다. shutdown()이면 프로그램이 \
                 계속 가지고 있다."
        },
        ends: text! {
            en: "By the peer's FIN (TIME_WAIT). After close() the kernel gives up after tcp_fin_timeout (60 s); after shutdown() never.",
            ko: "상대의 FIN을 받으면 TIME_WAIT가 된다. close()한 소켓은 tcp_fin_timeout(60초) 뒤 커널이 정리하지만 shutdown()한 소켓은 정리되지 \
                 않는다."
        },
        act: text! {
            en: "Many toward one service: the program there does not close (it has CLOSE_WAIT). tcp_fin_timeout shortens only the kernel-held ones.",
            ko: "한 서비스를 향해 많으면 그쪽 프로그램이 닫지 않는 것이다(그쪽은 CLOSE_WAIT). tcp_fin_timeout은 커널이 보관하는 것에만 효과가 있다."
        },
    },
    Page {
        state: State::TimeWait,
        spellings: &["TIME-WAIT", "TIME_WAIT", "TIMEWAIT"],
        rfc: "TIME-WAIT",
        what: text! {
            en: "Both sides have closed, we first; kept for 60 s. This is natural, not a fault.",
            ko: "양쪽 모두 닫혔고 우리가 먼저 닫았다. 60초 동안 유지된다. 장애가 아니라 자연스러운 상태다."
        },
        who: text! {
            en: "The active closer: whoever sent the first FIN. It keeps the pair of addresses so that a lost last ACK can be answered again (without \
                 it the peer, in LAST_ACK, would get a reset) and so that late segments do not fall into a new connection.",
            ko: "먼저 닫은 쪽(active closer). 마지막 ACK가 유실되면 다시 답하려고(그렇지 않으면 LAST_ACK 상태의 상대가 RST를 받는다), 또 늦게 도착한 \
                 세그먼트가 새 연결에 섞이지 않도록 주소 쌍을 유지한다."
        },
        ends: text! {
            en: "After 60 s, a constant of the kernel (TCP_TIMEWAIT_LEN): tcp_fin_timeout does not shorten it. A new outgoing connection may take \
                 it over after one second where tcp_tw_reuse and timestamps allow it.",
            ko: "60초 뒤에 끝난다. 커널 상수(TCP_TIMEWAIT_LEN)이며 tcp_fin_timeout으로 줄일 수 없다. tcp_tw_reuse와 타임스탬프가 허용하면 1초 뒤부터 \
                 새로 나가는 연결이 이어받을 수 있다."
        },
        act: text! {
            en: "On a listening port: nothing, it costs no local port. On the client side each holds one local port toward its destination: many \
                 lead to port exhaustion and to timeouts of about a minute. Keep connections alive in the application, use a connection pool. \
                 Never tcp_tw_recycle.",
            ko: "리스닝 포트에 있으면 로컬 포트를 쓰지 않으므로 할 일이 없다. 클라이언트 쪽이면 하나마다 그 목적지로 가는 로컬 포트를 하나씩 잡으므로, \
                 많아지면 포트 고갈과 1분 정도의 타임아웃으로 이어진다. 애플리케이션의 keep-alive와 connection pool로 연결을 재사용한다. \
                 tcp_tw_recycle은 절대 쓰지 않는다."
        },
    },
    Page {
        state: State::Close,
        spellings: &["UNCONN", "CLOSED", "CLOSE"],
        rfc: "CLOSED",
        what: text! { en: "No connection.", ko: "연결이 없다." },
        who: text! {
            en: "Sockets that were made and never connected, and those whose connection is over while a program still holds the descriptor.",
            ko: "만들어졌지만 연결된 적 없는 소켓, 또는 연결은 끝났는데 프로그램이 디스크립터를 아직 가지고 있는 소켓."
        },
        ends: text! { en: "When the program closes the descriptor or connects.", ko: "프로그램이 디스크립터를 닫거나 연결할 때." },
        act: text! {
            en: "Nothing. A descriptor of a connection that is over appears in no table: see ghost-sockets.",
            ko: "없음. 끝난 연결의 디스크립터는 어떤 표에도 나타나지 않는다. ghost-sockets 참조."
        },
    },
    Page {
        state: State::CloseWait,
        spellings: &["CLOSE-WAIT", "CLOSE_WAIT", "CLOSEWAIT"],
        rfc: "CLOSE-WAIT",
        what: text! {
            en: "The peer closed and the kernel acknowledged; the program here has not called close().",
            ko: "상대가 닫았고 커널이 확인했지만, 이 호스트의 프로그램이 close()를 호출하지 않았다."
        },
        who: text! {
            en: "The passive closer. For an instant always; lasting, it is a leak, a hung or overloaded server, or a client's pool.",
            ko: "나중에 닫는 쪽(passive closer). 순간적으로는 항상 있다. 오래 남으면 누수, 멈추거나 병목에 걸린 서버, 또는 클라이언트의 풀이 원인이다."
        },
        ends: text! {
            en: "Only by close() or by the end of the process: the kernel has no timeout for it, unlike FIN_WAIT2, and cannot reuse it, unlike \
                 TIME_WAIT. Restarting the network does not remove it on current Linux. A failing keepalive removes the socket but leaves the \
                 descriptor open.",
            ko: "close()나 프로세스 종료로만 끝난다. FIN_WAIT2와 달리 타임아웃이 없고 TIME_WAIT와 달리 재사용할 수 없다. 현재 리눅스에서는 네트워크를 \
                 재시작해도 없어지지 않는다. keepalive가 실패하면 소켓은 사라지지만 디스크립터는 열린 채 남는다."
        },
        act: text! {
            en: "Recv-Q 0: the program read the end and does not close – fix the missing close(), restart to free them. Recv-Q > 1: requests \
                 unread – look what its workers wait for. No owner: not accepted – the program hangs. No setting of the kernel helps.",
            ko: "Recv-Q가 0이면 프로그램이 끝을 읽고도 닫지 않은 것이므로 빠진 close()를 고치고, 재시작하면 해제된다. Recv-Q가 1보다 크면 요청을 읽지 않은 \
                 것이므로 워커가 무엇을 기다리는지 본다. 소유자가 없으면 accept되지 않은 것으로 프로그램이 멈춘 것이다. 커널 설정으로는 해결되지 않는다."
        },
    },
    Page {
        state: State::LastAck,
        spellings: &["LAST-ACK", "LAST_ACK"],
        rfc: "LAST-ACK",
        what: text! {
            en: "The peer closed, then we; our FIN is not acknowledged.",
            ko: "상대가 닫고 우리도 닫았으며, 우리 FIN에 대한 ACK를 기다린다."
        },
        who: text! { en: "The passive closer after its close(), for one round trip.", ko: "close()를 호출한 passive closer. 정상이면 왕복 한 번 동안만." },
        ends: text! {
            en: "By the last ACK, by a reset, or after tcp_orphan_retries (8) repeated FINs.",
            ko: "마지막 ACK나 RST를 받거나, FIN을 tcp_orphan_retries(8)번 되풀이한 뒤 끝난다."
        },
        act: text! {
            en: "Many to one peer with retries: the path to it died, or a firewall forgot the connection. See last-ack-stuck.",
            ko: "한 상대에게 재시도 중인 것이 많으면 경로가 끊겼거나 방화벽이 연결을 잊은 것이다. last-ack-stuck 참조."
        },
    },
    Page {
        state: State::Listen,
        spellings: &["LISTEN", "LISTENING"],
        rfc: "LISTEN",
        what: text! { en: "Waits for connections.", ko: "연결을 기다린다." },
        who: text! {
            en: "A server's socket after listen(). Its Recv-Q is the number of connections waiting for accept(), its Send-Q the limit: the \
                 smaller of the program's backlog and somaxconn.",
            ko: "listen()을 호출한 서버 소켓. Recv-Q는 accept()를 기다리는 연결 수, Send-Q는 그 한계로 프로그램의 backlog와 somaxconn 중 작은 값이다."
        },
        ends: text! { en: "When the program closes it or ends.", ko: "프로그램이 닫거나 종료될 때." },
        act: text! {
            en: "Recv-Q near Send-Q, or drops that grow: the program accepts too slowly. See accept-overflow, accept-stalled.",
            ko: "Recv-Q가 Send-Q에 가깝거나 drops가 늘면 프로그램의 accept가 느린 것이다. accept-overflow, accept-stalled 참조."
        },
    },
    Page {
        state: State::Closing,
        spellings: &["CLOSING"],
        rfc: "CLOSING",
        what: text! {
            en: "Both sides closed at the same moment; our FIN is not acknowledged.",
            ko: "양쪽이 동시에 닫았고 우리 FIN이 아직 확인되지 않았다."
        },
        who: text! { en: "Both sides, for one round trip. Rare.", ko: "양쪽 모두. 왕복 한 번 동안이며 드물다." },
        ends: text! { en: "By the ACK of our FIN (TIME_WAIT).", ko: "우리 FIN에 대한 ACK를 받으면 TIME_WAIT가 된다." },
        act: text! {
            en: "Nothing; more than a handful with retries is the same trouble as LAST_ACK.",
            ko: "없음. 재시도 중인 것이 여럿이면 LAST_ACK와 같은 문제다."
        },
    },
];
