//! What stands beside a column: limits and traps. Thresholds are those of the rules; the rule is named.

use super::Note;
use crate::text;
use crate::words::Text;

/// What each report shows.
pub(super) const KEYWORDS: &[(&str, Text)] = &[
    ("DEV", text! { en: "Traffic of each interface.", ko: "인터페이스별 트래픽." }),
    ("EDEV", text! { en: "Errors of each interface.", ko: "인터페이스별 오류." }),
    ("NFS", text! { en: "The NFS client.", ko: "NFS 클라이언트." }),
    ("NFSD", text! { en: "The NFS server.", ko: "NFS 서버." }),
    ("SOCK", text! { en: "Sockets in use, IPv4.", ko: "사용 중인 소켓(IPv4)." }),
    ("IP", text! { en: "IPv4 packets.", ko: "IPv4 패킷." }),
    ("EIP", text! { en: "IPv4 errors.", ko: "IPv4 오류." }),
    ("ICMP", text! { en: "ICMP messages.", ko: "ICMP 메시지." }),
    ("EICMP", text! { en: "ICMP errors.", ko: "ICMP 오류." }),
    ("TCP", text! { en: "TCP connections and segments.", ko: "TCP 연결과 세그먼트." }),
    ("ETCP", text! { en: "TCP errors and retransmissions.", ko: "TCP 오류와 재전송." }),
    ("UDP", text! { en: "UDP datagrams.", ko: "UDP 데이터그램." }),
    ("SOCK6", text! { en: "Sockets in use, IPv6.", ko: "사용 중인 소켓(IPv6)." }),
    ("IP6", text! { en: "IPv6 packets.", ko: "IPv6 패킷." }),
    ("EIP6", text! { en: "IPv6 errors.", ko: "IPv6 오류." }),
    ("ICMP6", text! { en: "ICMPv6 messages.", ko: "ICMPv6 메시지." }),
    ("EICMP6", text! { en: "ICMPv6 errors.", ko: "ICMPv6 오류." }),
    ("UDP6", text! { en: "UDP datagrams over IPv6.", ko: "IPv6 UDP 데이터그램." }),
    ("FC", text! { en: "Fibre Channel hosts.", ko: "Fibre Channel 호스트." }),
    ("SOFT", text! { en: "Packets taken in by each CPU.", ko: "CPU별 패킷 수신 처리." }),
];

const PLAIN: Note = Note { keyword: "", head: "", spellings: &[], counts: None, limits: None, traps: None };

/// Only columns about which there is something to say.
pub(super) const NOTES: &[Note] = &[
    Note {
        keyword: "DEV",
        head: "rxkB/s",
        counts: Some(text! { en: "Kilobytes received on the interface.", ko: "인터페이스가 받은 킬로바이트." }),
        limits: Some(text! { en: "The line rate: see %ifutil.", ko: "링크 속도. %ifutil 참조." }),
        traps: Some(
            text! { en: "One kB is 1024 bytes here. lo carries everything the host says to itself.", ko: "여기서 1 kB는 1024바이트다. lo에는 호스트가 자신과 주고받는 트래픽이 모두 나타난다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "DEV",
        head: "txkB/s",
        counts: Some(text! { en: "Kilobytes sent on the interface.", ko: "인터페이스가 보낸 킬로바이트." }),
        limits: Some(text! { en: "The line rate: see %ifutil.", ko: "링크 속도. %ifutil 참조." }),
        traps: Some(text! { en: "One kB is 1024 bytes here.", ko: "여기서 1 kB는 1024바이트다." }),
        ..PLAIN
    },
    Note {
        keyword: "DEV",
        head: "%ifutil",
        spellings: &["ifutil"],
        counts: Some(
            text! { en: "How much of the line rate is used: the busier direction on a full-duplex link, both together on a half-duplex one.", ko: "링크 속도 대비 사용률. 전이중이면 더 바쁜 방향, 반이중이면 양방향의 합이다." },
        ),
        limits: Some(
            text! { en: "From 85 % on worth a look, from 90 % over a whole window a warning (interface-saturated).", ko: "85 %부터 주의, 관찰 구간 내내 90 % 이상이면 경고(interface-saturated)." },
        ),
        traps: Some(
            text! { en: "0.00 where the driver states no speed. Virtual devices state a placeholder (tun 10 Mbit/s, veth 10 Gbit/s).", ko: "드라이버가 속도를 알려주지 않으면 0.00이다. 가상 장치는 자리 채우기 값(tun 10 Mbit/s, veth 10 Gbit/s)을 알려준다." },
        ),
    },
    Note {
        keyword: "EDEV",
        head: "rxerr/s",
        limits: Some(
            text! { en: "None on a clean link; more than one in a million packets over ten minutes points to the cable (interface-errors).", ko: "깨끗한 링크에서는 0이다. 10분 동안 백만 패킷당 하나를 넘으면 케이블을 의심한다(interface-errors)." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "EDEV",
        head: "rxdrop/s",
        limits: Some(
            text! { en: "Ten a second and 2 % of the packets, multicast taken out (interface-drops).", ko: "초당 10개이면서 멀티캐스트를 뺀 패킷의 2 %(interface-drops)." },
        ),
        traps: Some(
            text! { en: "A few a second on a switched network are protocols that nobody asked for, not losses of TCP.", ko: "스위치 네트워크에서 초당 몇 개는 쓰지 않는 프로토콜이며 TCP 손실이 아니다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "EDEV",
        head: "txdrop/s",
        traps: Some(
            text! { en: "Drops of the queueing discipline are not here: tc -s qdisc.", ko: "큐잉 규칙(qdisc)이 버린 것은 여기에 없다: tc -s qdisc." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "SOCK",
        head: "tcpsck",
        traps: Some(
            text! { en: "IPv4 only: connections over IPv6 are in tcp6sck. TIME_WAIT is in tcp-tw.", ko: "IPv4만 센다. IPv6 연결은 tcp6sck에, TIME_WAIT는 tcp-tw에 있다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "SOCK",
        head: "tcp-tw",
        limits: Some(
            text! { en: "None as such: TIME_WAIT is natural. What counts is how many local ports one destination holds (ports-running-out) and tcp_max_tw_buckets (time-wait-overflow).", ko: "수 자체에는 한계가 없다. TIME_WAIT는 자연스러운 상태다. 한 목적지가 잡은 로컬 포트 수(ports-running-out)와 tcp_max_tw_buckets(time-wait-overflow)가 기준이다." },
        ),
        traps: Some(
            text! { en: "Contains the FIN_WAIT2 that the kernel keeps after close().", ko: "close() 뒤 커널이 보관하는 FIN_WAIT2도 포함한다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "TCP",
        head: "active/s",
        limits: Some(
            text! { en: "Toward one destination about 470 a second with the default port range (28 232 ports / 60 s of TIME_WAIT); from 50 a second with handshakes that take long, connection-churn.", ko: "기본 포트 범위에서 한 목적지로 초당 약 470개(28,232개 / TIME_WAIT 60초). 핸드셰이크가 오래 걸리면서 초당 50개를 넘으면 connection-churn." },
        ),
        traps: Some(
            text! { en: "Failed connects count too (atmptf/s). A connect() that finds no local port counts nowhere.", ko: "실패한 연결도 센다(atmptf/s). 로컬 포트가 없어 실패한 connect()는 어디에도 집계되지 않는다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "TCP",
        head: "passive/s",
        limits: Some(
            text! { en: "What the program can accept: watch TcpExt.ListenOverflows (accept-overflow).", ko: "프로그램이 accept할 수 있는 만큼. TcpExt.ListenOverflows를 함께 본다(accept-overflow)." },
        ),
        traps: Some(
            text! { en: "Counts finished handshakes: SYNs of a flood and connections dropped at a full accept queue are not in it.", ko: "끝난 핸드셰이크만 센다. SYN flood의 SYN과 accept 큐에서 버려진 연결은 빠진다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "TCP",
        head: "iseg/s",
        traps: Some(
            text! { en: "Trains that GRO joined count once: too small under load.", ko: "GRO가 합친 묶음은 하나로 세므로 부하가 크면 실제보다 작다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "TCP",
        head: "oseg/s",
        limits: Some(
            text! { en: "None; it is the denominator of retrans/s. A remote ratio needs 600 segments, a local one 30 000.", ko: "없음. retrans/s의 분모다. 원거리 비율에는 600개, 로컬 비율에는 30,000개의 세그먼트가 필요하다." },
        ),
        traps: Some(
            text! { en: "Without retransmissions, with pure ACKs: a host that mostly receives sees too small a ratio. TcpExt.TCPOrigDataSent is better.", ko: "재전송은 빼고 순수 ACK는 넣는다. 주로 받는 호스트에서는 비율이 실제보다 작게 나온다. TcpExt.TCPOrigDataSent가 더 정확하다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "ETCP",
        head: "atmptf/s",
        traps: Some(
            text! { en: "Contains incoming half-open connections that were reset (scans, health checks): subtract TcpExt.EmbryonicRsts to see our own failures.", ko: "RST로 끝난 절반만 열린 수신 연결(스캔, 헬스 체크)도 포함한다. 우리 쪽 실패만 보려면 TcpExt.EmbryonicRsts를 뺀다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "ETCP",
        head: "estres/s",
        limits: Some(
            text! { en: "Health checks reset too: only resets of connections with data matter (peer-resets).", ko: "헬스 체크도 RST를 보낸다. 데이터가 오간 연결의 RST만 의미가 있다(peer-resets)." },
        ),
        traps: Some(
            text! { en: "Both directions: our own aborts and keepalive timeouts are in it.", ko: "양방향을 모두 센다. 우리가 끊은 것과 keepalive 타임아웃도 포함한다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "ETCP",
        head: "retrseg/s",
        spellings: &["retrans/s"],
        counts: Some(
            text! { en: "Segments sent again per second: data, SYN, SYN-ACK and tail-loss probes together. sar before 12.7.6 calls it retrans/s, newer ones retrseg/s. The yardstick of line quality – once it is a ratio.", ko: "초당 다시 보낸 세그먼트: 데이터, SYN, SYN-ACK, TLP 프로브를 모두 합한 수. sar 12.7.6 전에는 retrans/s, 이후에는 retrseg/s로 표시한다. 통신 품질의 기준이지만 비율로 바꾸어야 의미가 있다." },
        ),
        limits: Some(
            text! { en: "Local network 0.01 %, remote 0.5 %, one's own site (a router or two away) 0.1 %. The ratio needs oseg/s beside it: retrans/s ÷ oseg/s, better the growth of TcpExt.TCPOrigDataSent. 0.01 % cannot be claimed on fewer than 30 000 segments, 0.5 % not on fewer than 600. Above them: examine the response time of each segment of the path (tcphealth path HOST:PORT).", ko: "로컬 네트워크 0.01 %, 원거리 0.5 %, 자기 사이트(라우터 한두 개 너머) 0.1 %. 비율을 내려면 oseg/s가 함께 있어야 한다: retrans/s ÷ oseg/s. 분모로는 TcpExt.TCPOrigDataSent의 증가량이 더 낫다. 0.01 %는 30,000개, 0.5 %는 600개보다 적은 세그먼트로는 판정할 수 없다. 한계를 넘으면 네트워크 구간별 응답시간을 조사한다(tcphealth path HOST:PORT)." },
        ),
        traps: Some(
            text! { en: "It is a count, not a ratio, and one for all peers: local, remote and loopback together. SYN retries to a dead host, tail-loss probes and retransmissions that DSACK proves unnecessary are in it without being loss: effective = RetransSegs − TcpExt.TCPSynRetrans − TcpExt.TCPDSACKRecvSegs. OutSegs leaves retransmissions out, so the quotient can exceed 100 %. One burst is one event, not fifty.", ko: "비율이 아니라 개수이며 로컬, 원거리, loopback의 모든 상대를 합한 값이다. 죽은 호스트로의 SYN 재시도, TLP 프로브, DSACK이 불필요했다고 알린 재전송도 손실이 아니지만 포함된다: 실제 손실 = RetransSegs − TcpExt.TCPSynRetrans − TcpExt.TCPDSACKRecvSegs. OutSegs에는 재전송이 빠져 있어 나눈 값이 100 %를 넘을 수 있다. 한 번에 몰린 손실은 50번이 아니라 한 번의 사건이다." },
        ),
    },
    Note {
        keyword: "ETCP",
        head: "isegerr/s",
        limits: Some(
            text! { en: "None: three and more in a million segments are bad-checksum.", ko: "없어야 한다. 세 개 이상이면서 백만 세그먼트당 하나를 넘으면 bad-checksum이다." },
        ),
        traps: Some(
            text! { en: "Errors of the wire do not come this far: the Ethernet card drops them (rxerr/s).", ko: "회선 오류는 여기까지 오지 않는다. NIC가 버린다(rxerr/s)." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "ETCP",
        head: "orsts/s",
        traps: Some(
            text! { en: "Answers to scans of closed ports are in it; TcpExt.TCPAbortOnClose and TCPAbortOnData are our programs' own.", ko: "닫힌 포트의 스캔에 대한 응답도 포함한다. TcpExt.TCPAbortOnClose와 TCPAbortOnData가 우리 프로그램이 끊은 것이다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "ICMP",
        head: "oech/s",
        traps: Some(
            text! { en: "sar of sysstat up to 12.8.0 shows a neighbouring counter here on kernels since 6.3: two new columns moved the rest. tcphealth sar reads by name.", ko: "sysstat 12.8.0까지의 sar는 6.3 이후 커널에서 옆 카운터를 보여 준다. 새 열 두 개가 나머지를 밀었기 때문이다. tcphealth sar는 이름으로 읽는다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "SOFT",
        head: "dropd/s",
        limits: Some(
            text! { en: "None; ten a second over a minute is critical (softnet-drops).", ko: "없어야 한다. 1분 평균 초당 10개를 넘으면 심각이다(softnet-drops)." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "NFS",
        head: "call/s",
        counts: Some(text! { en: "RPC requests of the NFS client.", ko: "NFS 클라이언트의 RPC 요청." }),
        ..PLAIN
    },
    Note {
        keyword: "NFS",
        head: "retrans/s",
        counts: Some(
            text! { en: "RPC requests of the NFS client sent again. Not TCP's retransmissions.", ko: "NFS 클라이언트가 다시 보낸 RPC 요청. TCP 재전송이 아니다." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "NFS",
        head: "read/s",
        counts: Some(text! { en: "Reads of the NFS client.", ko: "NFS 클라이언트의 읽기." }),
        ..PLAIN
    },
    Note {
        keyword: "NFS",
        head: "write/s",
        counts: Some(text! { en: "Writes of the NFS client.", ko: "NFS 클라이언트의 쓰기." }),
        ..PLAIN
    },
    Note {
        keyword: "NFS",
        head: "access/s",
        counts: Some(text! { en: "Permission checks of the NFS client.", ko: "NFS 클라이언트의 권한 확인." }),
        ..PLAIN
    },
    Note {
        keyword: "NFS",
        head: "getatt/s",
        counts: Some(text! { en: "Attribute look-ups of the NFS client.", ko: "NFS 클라이언트의 속성 조회." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "scall/s",
        counts: Some(text! { en: "RPC requests that the NFS server received.", ko: "NFS 서버가 받은 RPC 요청." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "badcall/s",
        counts: Some(
            text! { en: "Bad RPC requests that the NFS server received.", ko: "NFS 서버가 받은 잘못된 RPC 요청." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "packet/s",
        counts: Some(text! { en: "Packets that the NFS server received.", ko: "NFS 서버가 받은 패킷." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "udp/s",
        counts: Some(text! { en: "Packets that the NFS server received over UDP.", ko: "NFS 서버가 UDP로 받은 패킷." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "tcp/s",
        counts: Some(text! { en: "Packets that the NFS server received over TCP.", ko: "NFS 서버가 TCP로 받은 패킷." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "hit/s",
        counts: Some(
            text! { en: "Hits of the NFS server's reply cache: repeated requests.", ko: "NFS 서버 응답 캐시의 적중, 즉 반복된 요청." },
        ),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "miss/s",
        counts: Some(text! { en: "Misses of the NFS server's reply cache.", ko: "NFS 서버 응답 캐시의 실패." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "sread/s",
        counts: Some(text! { en: "Reads served by the NFS server.", ko: "NFS 서버가 처리한 읽기." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "swrite/s",
        counts: Some(text! { en: "Writes served by the NFS server.", ko: "NFS 서버가 처리한 쓰기." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "saccess/s",
        counts: Some(text! { en: "Permission checks served by the NFS server.", ko: "NFS 서버가 처리한 권한 확인." }),
        ..PLAIN
    },
    Note {
        keyword: "NFSD",
        head: "sgetatt/s",
        counts: Some(text! { en: "Attribute look-ups served by the NFS server.", ko: "NFS 서버가 처리한 속성 조회." }),
        ..PLAIN
    },
    Note {
        keyword: "FC",
        head: "fch_rxf/s",
        counts: Some(text! { en: "Fibre Channel frames received.", ko: "받은 Fibre Channel 프레임." }),
        ..PLAIN
    },
    Note {
        keyword: "FC",
        head: "fch_txf/s",
        counts: Some(text! { en: "Fibre Channel frames sent.", ko: "보낸 Fibre Channel 프레임." }),
        ..PLAIN
    },
    Note {
        keyword: "FC",
        head: "fch_rxw/s",
        counts: Some(text! { en: "Fibre Channel words (4 bytes) received.", ko: "받은 Fibre Channel 워드(4바이트)." }),
        ..PLAIN
    },
    Note {
        keyword: "FC",
        head: "fch_txw/s",
        counts: Some(text! { en: "Fibre Channel words (4 bytes) sent.", ko: "보낸 Fibre Channel 워드(4바이트)." }),
        ..PLAIN
    },
];
