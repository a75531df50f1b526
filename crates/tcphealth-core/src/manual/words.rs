//! The words around TCP's health: limits, remedies, and the terms that the other pages use.

use super::{Article, Kind, Part};
use crate::text;
use crate::words::Text;

struct Page {
    /// The headword, then other spellings, in both languages.
    spellings: &'static [&'static str],
    title: Text,
    body: Text,
    see: &'static str,
}

/// One article a word.
pub(super) fn articles() -> impl Iterator<Item = Article> {
    PAGES.iter().map(|page| Article {
        kind: Kind::Word,
        word: page.spellings.first().copied().unwrap_or_default().to_owned(),
        spellings: page.spellings.iter().map(|&spelling| spelling.to_owned()).collect(),
        title: page.title.into(),
        parts: vec![
            Part::new(text! { en: "", ko: "" }, page.body),
            Part::same(text! { en: "See", ko: "참조" }, page.see.to_owned()),
        ],
    })
}

macro_rules! pages {
    ($([$($spelling:literal),+] $see:literal; $title_en:literal, $title_ko:literal; $en:literal, $ko:literal;)*) => {
        const PAGES: &[Page] = &[$(Page {
            spellings: &[$($spelling),+],
            title: text! { en: $title_en, ko: $title_ko },
            body: text! { en: $en, ko: $ko },
            see: $see,
        }),*];
    };
}

pages! {
    ["retransmission", "retransmit", "재전송", "재전송 비율"] "retrans/s, 0.01%, 0.5%, retransmit-local, retransmit-remote";
    "A segment sent again because its acknowledgement did not come.", "확인 응답이 오지 않아 다시 보낸 세그먼트.";
    "The yardstick of line quality: a broken device or a wrong setting shows as retransmissions. To be a ratio it needs the data segments sent beside it. \
     Not every retransmission is a loss: SYN retries, tail-loss probes and what the peer reports by DSACK as received twice are taken out; \
     what is left is the effective loss.",
    "통신 품질의 기준이다. 네트워크 장비 불량이나 잘못된 설정은 재전송으로 나타난다. 비율로 말하려면 보낸 데이터 세그먼트 수가 함께 있어야 한다. 모든 재전송이 손실은 \
     아니다. SYN 재시도, TLP 프로브, 상대가 DSACK으로 두 번 받았다고 알린 것을 뺀 나머지가 실제 손실이다.";

    ["0.01%", "0.01 percent", "로컬 네트워크", "local network"] "retransmit-local, retrans/s";
    "The limit of retransmission on the local network.", "로컬 네트워크의 재전송 한계.";
    "On a directly connected network practically nothing is lost: at most 0.01 % of the segments, 1 in 10 000. Seeing none proves that limit only from \
     30 000 segments on (rule of three: 3 / 30 000); with fewer the verdict is undecided, not healthy. Behind one or two routers of one's own the limit is 0.1 %.",
    "직접 연결된 네트워크에서는 손실이 거의 없어야 한다. 세그먼트의 0.01 % 이하, 즉 10,000개 중 1개다. 하나도 없다는 관찰이 이 한계를 증명하려면 30,000개 이상의 \
     세그먼트가 필요하다(3의 법칙: 3 / 30,000). 그보다 적으면 정상이 아니라 판정 불가다. 자기 라우터 한두 개 너머는 0.1 %를 쓴다.";

    ["0.5%", "0.5 percent", "원거리 네트워크", "remote network", "long distance"] "retransmit-remote, retrans/s, segment response time";
    "The usual limit of retransmission over distance.", "원거리 네트워크의 일반적인 재전송 한계.";
    "Over long distances up to 0.5 % is usual. Seeing none proves it from 600 segments on. At 60 ms a loss of 0.5 % limits one connection to about \
     3.3 Mbit/s (Mathis). Above the limit examine the response time of each segment of the path.",
    "원거리에서는 0.5 % 이하가 일반적이다. 하나도 없다는 관찰이 이를 증명하려면 600개 이상의 세그먼트가 필요하다. 60 ms 거리에서 0.5 % 손실은 연결 하나를 약 \
     3.3 Mbit/s로 제한한다(Mathis). 한계를 넘으면 네트워크 구간별 응답시간을 조사한다.";

    ["response time of each segment", "segment response time", "구간별 응답시간", "네트워크 구간별 응답시간", "네트워크 구간", "hop"] "lossy-hop, retransmit-remote";
    "Round trip and loss of each hop on the way to a peer.", "상대까지 가는 길의 홉마다 측정한 왕복 시간과 손실.";
    "What to look at when segments are retransmitted often: tcphealth path HOST:PORT, or mtr -n -r -c 150 -i 1 --tcp -P PORT HOST. Loss at a hop counts only if all \
     later hops and the end share it; a hop that alone “loses” limits its ICMP answers. Not faster than one probe a second and hop.",
    "재전송이 잦을 때 조사할 것이다. tcphealth path HOST:PORT 또는 mtr -n -r -c 150 -i 1 --tcp -P PORT HOST로 본다. 어떤 홉의 손실은 그 뒤의 모든 홉과 \
     목적지에서도 나타날 때만 손실이다. 혼자만 손실을 보이는 홉은 ICMP 응답을 제한하는 것이다. 홉마다 초당 한 번보다 빠르게 보내지 않는다.";

    ["TCP state diagram", "state diagram", "TCP 상태도", "상태도"] "LISTEN, SYN_SENT, SYN_RECV, ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSING, TIME_WAIT, CLOSE_WAIT, LAST_ACK, CLOSE";
    "The eleven states of a TCP connection and the ways between them.", "TCP 연결의 열한 가지 상태와 그 사이의 전이.";
    "tcphealth states draws it with the sockets of this host. RFC 9293 §3.3.2 has the original.",
    "tcphealth states가 이 호스트의 소켓 수와 함께 그려 준다. 원본은 RFC 9293 §3.3.2에 있다.";

    ["active closer", "active close", "먼저 닫는 쪽"] "FIN_WAIT1, FIN_WAIT2, TIME_WAIT, passive closer";
    "The side that sends the first FIN.", "첫 FIN을 보내는 쪽.";
    "It passes through FIN_WAIT1 and FIN_WAIT2 and ends in TIME_WAIT. Where many TIME_WAIT hurt, let the other side close first if the protocol allows it.",
    "FIN_WAIT1, FIN_WAIT2를 거쳐 TIME_WAIT로 끝난다. TIME_WAIT가 문제되는 곳에서는 프로토콜이 허용하면 상대가 먼저 닫게 한다.";

    ["passive closer", "passive close", "나중에 닫는 쪽"] "CLOSE_WAIT, LAST_ACK, active closer, close()";
    "The side that receives the first FIN.", "첫 FIN을 받는 쪽.";
    "The kernel acknowledges at once and the socket is in CLOSE_WAIT until the program calls close(); then LAST_ACK until the last ACK.",
    "커널이 즉시 ACK를 보내고, 프로그램이 close()를 호출할 때까지 CLOSE_WAIT, 그 뒤 마지막 ACK를 받을 때까지 LAST_ACK다.";

    ["SYN"] "SYN_SENT, SYN_RECV, active/s, passive/s, TcpExt.TCPSynRetrans";
    "The segment that asks for a connection.", "연결을 요청하는 세그먼트.";
    "Unanswered, it is sent again after 1 s (four times each second from 6.5 on, then doubling); its retransmissions are in retrans/s without being loss of data.",
    "응답이 없으면 1초 뒤 다시 보낸다(6.5부터는 처음 네 번은 1초 간격, 그 뒤 두 배씩). 이 재전송도 retrans/s에 들어가지만 데이터 손실은 아니다.";

    ["FIN"] "FIN_WAIT1, CLOSE_WAIT, LAST_ACK, active closer";
    "The segment that says: I send nothing more.", "더 보낼 것이 없음을 알리는 세그먼트.";
    "Each side sends its own. A lost FIN is sent again.", "양쪽이 각자 보낸다. 유실되면 다시 보낸다.";

    ["ACK"] "LAST_ACK, TIME_WAIT, ack-loss, Tcp.OutSegs";
    "The acknowledgement of what was received.", "받은 것에 대한 확인 응답.";
    "Pure ACKs are never retransmitted; they count in oseg/s. The last ACK of a connection, if lost, is what TIME_WAIT waits for.",
    "순수 ACK는 재전송되지 않으며 oseg/s에 포함된다. 연결의 마지막 ACK가 유실될 때를 대비하는 것이 TIME_WAIT다.";

    ["RST", "reset"] "orsts/s, estres/s, peer-resets, abort-unread, abort-linger, connect-refused";
    "The segment that ends a connection at once.", "연결을 즉시 끊는 세그먼트.";
    "Sent for a closed port, by a program that closes with unread data or SO_LINGER 0, by a crashed peer's kernel, or by a device between.",
    "닫힌 포트에 대한 응답, 읽지 않은 데이터를 남기거나 SO_LINGER 0으로 닫은 프로그램, 죽은 상대의 커널, 또는 중간 장비가 보낸다.";

    ["port exhaustion", "포트 고갈", "로컬 포트 고갈", "EADDRNOTAVAIL", "Cannot assign requested address", "ephemeral port", "ip_local_port_range"] "ports-running-out, ports-exhausted, bind-before-connect, TIME_WAIT, connection pool, tcp_tw_reuse";
    "No local port is left for a new connection to one destination.", "한 목적지로 새 연결을 열 로컬 포트가 남지 않은 상태.";
    "The range ip_local_port_range (32768–60999: 28 232 ports) is available anew for every source address, destination address and destination port; each TIME_WAIT \
     and each open connection holds one. 28 232 ports / 60 s bear about 470 connections a second to one destination. connect() slows down from half on and then fails \
     with “Cannot assign requested address”; no counter moves. Remedies in order: reuse connections, let the other side close first, more addresses, a wider range, \
     tcp_tw_reuse.",
    "ip_local_port_range(32768–60999: 28,232개)는 (출발지 주소, 목적지 주소, 목적지 포트)마다 새로 쓸 수 있고, TIME_WAIT와 열린 연결이 하나씩 잡는다. 28,232개 / 60초, \
     즉 목적지마다 초당 약 470개의 연결까지 버틴다. 절반을 넘으면 connect()가 느려지고, 다 쓰면 Cannot assign requested address로 실패하는데 어떤 카운터도 \
     움직이지 않는다. 조치 순서: 연결 재사용, 상대가 먼저 닫게 하기, 주소 늘리기, 범위 넓히기, tcp_tw_reuse.";

    ["application timeout", "애플리케이션 타임아웃", "타임아웃 1분", "1분", "타임아웃", "timeout", "timeout of a minute"] "port exhaustion, ports-exhausted, TIME_WAIT";
    "The minute for which an application hangs when its local ports are used up.", "로컬 포트가 고갈되면 애플리케이션이 겪는 1분 정도의 타임아웃.";
    "A port held by TIME_WAIT comes free after 60 s. A program that retries its failing connect() meanwhile appears to time out after about a minute.",
    "TIME_WAIT가 잡은 포트는 60초 뒤 풀린다. 그동안 실패하는 connect()를 되풀이하는 프로그램은 1분쯤 뒤 타임아웃된 것처럼 보인다.";

    ["keepalive", "keep-alive", "HTTP keep-alive", "킵얼라이브"] "connection pool, SO_KEEPALIVE, connection-churn, TIME_WAIT";
    "Several requests over one connection, by the application.", "애플리케이션이 연결 하나로 여러 요청을 처리하는 것.";
    "The remedy against many TIME_WAIT and port exhaustion: HTTP keep-alive, persistent database connections. Not the same as SO_KEEPALIVE, which only \
     probes whether a silent peer still lives.",
    "많은 TIME_WAIT와 포트 고갈의 해결책이다. HTTP keep-alive, 데이터베이스의 지속 연결 등이다. 조용한 상대가 살아 있는지 확인할 뿐인 SO_KEEPALIVE와는 다르다.";

    ["SO_KEEPALIVE", "tcp_keepalive_time", "TCP keepalive"] "half-open-suspect, idle-forgotten, keepalive, TcpExt.TCPKeepAlive";
    "The kernel's probe whether a silent peer still lives.", "조용한 상대가 살아 있는지 커널이 확인하는 기능.";
    "Off unless the program sets it; first probe after tcp_keepalive_time (7200 s). Helps against dead peers and firewalls that forget idle connections. It does nothing \
     against TIME_WAIT, and on CLOSE_WAIT a failing probe removes the socket but not the descriptor.",
    "프로그램이 켜야 동작하며 첫 프로브는 tcp_keepalive_time(7200초) 뒤다. 죽은 상대나 유휴 연결을 잊는 방화벽에 효과가 있다. TIME_WAIT에는 소용없고, CLOSE_WAIT에서는 \
     프로브가 실패하면 소켓만 사라지고 디스크립터는 남는다.";

    ["connection pool", "connection reuse", "커넥션 풀", "연결 풀", "연결 재사용"] "keepalive, connection-churn, close-wait-pool, port exhaustion";
    "A set of open connections that requests share.", "요청들이 나누어 쓰는, 열어 둔 연결의 모음.";
    "Saves the handshake of each request and leaves no TIME_WAIT. Its size: requests a second × service time. Drop idle connections before the server does, or the \
     pool fills with CLOSE_WAIT.",
    "요청마다의 핸드셰이크를 없애고 TIME_WAIT를 남기지 않는다. 크기는 초당 요청 수 × 처리 시간이다. 서버보다 먼저 유휴 연결을 닫지 않으면 풀이 CLOSE_WAIT로 찬다.";

    ["handshake", "핸드셰이크", "connection cost", "연결 비용", "응답속도"] "connection-churn, active/s, passive/s, keepalive";
    "The three segments that open a connection.", "연결을 여는 세 개의 세그먼트.";
    "They cost a round trip (with TLS two or three) before the first byte, and closing costs more: opening and closing all the time makes a service slow.",
    "첫 바이트 전에 왕복 한 번(TLS면 두세 번)이 들고 닫는 데도 비용이 든다. 연결을 계속 열고 닫으면 서비스 응답이 느려진다.";

    ["tcp_tw_reuse"] "TIME_WAIT, port exhaustion, TcpExt.TWRecycled, tcp_tw_recycle";
    "Lets a new outgoing connection take over a TIME_WAIT older than a second.", "1초 지난 TIME_WAIT를 새로 나가는 연결이 이어받게 하는 설정.";
    "1: for all destinations, when both sides negotiated timestamps (tcp_timestamps). 2, the default: for loopback only. 0: never. Safe, and only of use on the side that \
     connects. It cannot help when ESTABLISHED or FIN_WAIT2 hold the ports.",
    "1이면 양쪽이 타임스탬프(tcp_timestamps)를 쓸 때 모든 목적지에, 기본값 2면 loopback에만 적용되고, 0이면 쓰지 않는다. 안전하며 연결을 여는 쪽에서만 의미가 있다. 포트를 \
     ESTABLISHED나 FIN_WAIT2가 잡고 있으면 도움이 되지 않는다.";

    ["tcp_tw_recycle"] "tcp_tw_reuse, TIME_WAIT, old-timestamps";
    "Never use it: it drops clients behind NAT, and it was removed.", "절대 쓰지 말 것: NAT 뒤의 클라이언트를 버리며, 이미 제거된 설정.";
    "It judged all hosts behind one address by one timestamp and silently dropped the SYNs of the others. Removed in Linux 4.12. Where an old kernel still has it at 1, set it to 0: never leave it on.",
    "한 주소 뒤의 모든 호스트를 하나의 타임스탬프로 판단해 나머지 호스트의 SYN을 조용히 버렸다. 리눅스 4.12에서 제거되었다. 옛 커널에서 1이면 0으로 되돌린다. 켜 두지 않는다.";

    ["tcp_fin_timeout"] "FIN_WAIT2, TIME_WAIT, fin-wait2-orphaned";
    "How long the kernel keeps a closed connection in FIN_WAIT2: 60 s.", "닫힌 연결을 커널이 FIN_WAIT2로 보관하는 시간: 60초.";
    "It concerns FIN_WAIT2 without a process only. It does not shorten TIME_WAIT, whose 60 s are a constant.",
    "프로세스가 없는 FIN_WAIT2에만 적용된다. TIME_WAIT의 60초는 상수이므로 줄어들지 않는다.";

    ["tcp_max_tw_buckets"] "time-wait-overflow, TcpExt.TCPTimeWaitOverflow, tcp-tw";
    "How many TIME_WAIT sockets a namespace may have.", "네임스페이스가 가질 수 있는 TIME_WAIT 소켓의 수.";
    "Beyond it connections end without TIME_WAIT and without its protection. Lowering it to get rid of TIME_WAIT is not a remedy.",
    "이를 넘으면 연결이 TIME_WAIT의 보호 없이 끝난다. TIME_WAIT를 없애려고 낮추는 것은 해결책이 아니다.";

    ["close()", "close"] "CLOSE_WAIT, LAST_ACK, close-wait-leak, passive closer";
    "The call by which a program gives its connection back.", "프로그램이 연결을 돌려주는 호출.";
    "Only it (or the end of the process) sends the FIN that ends CLOSE_WAIT. Missing ones hide in error paths and exceptions.",
    "이 호출(또는 프로세스 종료)만이 CLOSE_WAIT를 끝내는 FIN을 보낸다. 빠진 곳은 대개 오류 처리 경로와 예외다.";

    ["bottleneck", "hang", "hung server", "병목", "병목 현상", "서버 멈춤", "서버 멈춤 현상"] "accept-stalled, requests-unread, close-wait-leak, CLOSE_WAIT";
    "A program that does not get on: its connections wait and their clients go.", "진행하지 못하는 프로그램: 연결은 기다리고 클라이언트는 떠난다.";
    "Shows as CLOSE_WAIT: without an owner and not accepted (accept-stalled), or with unread requests (requests-unread). Look at its threads and stacks, then at what they wait for.",
    "CLOSE_WAIT로 나타난다. 소유자 없이 accept되지 않았거나(accept-stalled) 요청을 읽지 않은(requests-unread) 것이다. 스레드와 스택을 보고 무엇을 기다리는지 찾는다.";

    ["process exit", "프로세스 종료", "프로세스의 종료", "restart"] "CLOSE_WAIT, close-wait-leak, descriptor-limit";
    "The end of a process closes all its sockets.", "프로세스가 끝나면 모든 소켓이 닫힌다.";
    "The stop-gap against leaked CLOSE_WAIT: restart the program. The cure is the missing close().", "누수된 CLOSE_WAIT의 임시 조치는 프로그램 재시작이고, 근본 해결은 빠진 close()다.";

    ["network restart", "네트워크 재시작"] "CLOSE_WAIT, ghost-sockets";
    "Does not remove CLOSE_WAIT on current Linux.", "현재 리눅스에서는 CLOSE_WAIT를 없애지 못한다.";
    "Taking interfaces down and up leaves the sockets as they are. Only the process can close them.", "인터페이스를 내렸다 올려도 소켓은 그대로다. 프로세스만이 닫을 수 있다.";

    ["load", "부하"] "accept-stalled, accept-overflow, requests-unread, CLOSE_WAIT";
    "Keep it below what a service can serve.", "서비스가 처리할 수 있는 수준 아래로 유지한다.";
    "A service at its limit accepts late, reads late and closes late: queues overflow and CLOSE_WAIT pile up before anything fails.",
    "한계에 이른 서비스는 accept도, 읽기도, 닫기도 늦어진다. 장애가 나기 전에 큐가 넘치고 CLOSE_WAIT가 쌓인다.";

    ["sar", "sar -n DEV,TCP,ETCP"] "DEV, TCP, ETCP, retrans/s, active/s, passive/s";
    "sysstat's reporter: counters per second.", "sysstat의 보고 도구: 초당 카운터 값.";
    "sar -n DEV,TCP,ETCP 5 shows interfaces, connections and retransmissions every five seconds. It has no counter of TcpExt, no socket states and no memory.",
    "sar -n DEV,TCP,ETCP 5는 5초마다 인터페이스, 연결, 재전송을 보여 준다. TcpExt 카운터, 소켓 상태, 메모리는 보여 주지 않는다.";

    ["accept queue", "accept 큐", "backlog", "somaxconn", "net.core.somaxconn"] "accept-overflow, backlog-clamped, accept-stalled, LISTEN";
    "Connections that are established and wait for accept().", "수립되어 accept()를 기다리는 연결의 큐.";
    "Its limit is the smaller of the backlog that the program passed to listen() and net.core.somaxconn at that moment. A larger somaxconn does nothing when the program passed the smaller number; after a change the program must call listen() again.",
    "한계는 프로그램이 listen()에 넘긴 backlog와 그 순간의 net.core.somaxconn 중 작은 값이다. 프로그램이 작은 값을 넘겼다면 somaxconn을 늘려도 소용없고, 바꾼 뒤에는 listen()을 다시 호출해야 한다.";

    ["RTO", "retransmission timeout", "재전송 타임아웃"] "tail-loss, spurious-timeout, TcpExt.TCPTimeouts";
    "The time without an acknowledgement after which a segment is sent again.", "ACK가 없을 때 다시 보내기까지의 시간.";
    "At least 200 ms on Linux, then doubling. RFC 6298.", "리눅스에서 최소 200 ms이며 두 배씩 늘어난다. RFC 6298.";

    ["TLP", "tail loss probe", "꼬리 손실 프로브"] "tail-loss, TcpExt.TCPLossProbes, TcpExt.TCPDSACKRecvSegs";
    "The last segment sent again early, to find a loss at the end of a burst.", "전송 끝부분의 손실을 찾으려고 마지막 세그먼트를 일찍 다시 보내는 것.";
    "Counts as a retransmission without loss: one or two in ten thousand segments on a clean path. RFC 8985.", "손실이 없어도 재전송으로 집계된다. 깨끗한 경로에서도 만 개에 한두 개가 생긴다. RFC 8985.";

    ["DSACK", "D-SACK"] "TcpExt.TCPDSACKRecvSegs, reordering, spurious-timeout, duplicate-delivery";
    "An acknowledgement that says: this I had already.", "이미 받은 것을 다시 받았다고 알리는 ACK.";
    "Shows which retransmissions were unnecessary. RFC 2883.", "어떤 재전송이 불필요했는지 알려 준다. RFC 2883.";

    ["orphan", "고아 소켓", "tcp_max_orphans"] "TCP.orphan, FIN_WAIT1, LAST_ACK, fin-wait1-orphans";
    "A closed connection that no process holds and that still waits for the peer.", "프로세스가 없고 아직 상대의 응답을 기다리는 닫힌 연결.";
    "The number and its limit tcp_max_orphans are the whole host's.", "그 수와 한계 tcp_max_orphans는 호스트 전체의 것이다.";
}
