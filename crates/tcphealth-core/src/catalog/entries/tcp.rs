//! `Tcp:` of `/proc/net/snmp`. Source: RFC 1213 (RFC 4022), net/ipv4/proc.c `snmp4_tcp_list`.

use super::rows;

rows! { GAUGES, Gauge, Namespace;
    "Tcp.RtoAlgorithm", "", "RFC 1213 tcpRtoAlgorithm",
        "How the retransmission timeout is computed; 1 (other) on Linux, which follows RFC 6298.",
        "재전송 타임아웃 계산 방식. 리눅스는 항상 1(기타)이며 실제로는 RFC 6298을 따른다.";
    "Tcp.RtoMin", "ms", "RFC 1213 tcpRtoMin; include/net/tcp.h TCP_RTO_MIN",
        "Smallest retransmission timeout. A constant: a smaller one of a route (rto_min) is not shown here.",
        "재전송 타임아웃의 최솟값. 상수이며, 경로별로 줄인 값(rto_min)은 여기에 나타나지 않는다.";
    "Tcp.RtoMax", "ms", "RFC 1213 tcpRtoMax; include/net/tcp.h TCP_RTO_MAX",
        "Largest retransmission timeout. A constant.",
        "재전송 타임아웃의 최댓값. 상수다.";
    "Tcp.MaxConn", "connections", "RFC 1213 tcpMaxConn",
        "Always −1: the number of connections has no fixed limit.",
        "항상 −1. 연결 수에 고정된 한계가 없다는 뜻이다.";
    "Tcp.CurrEstab", "connections", "RFC 1213 tcpCurrEstab; net/ipv4/tcp.c tcp_set_state()",
        "Connections in ESTABLISHED and in CLOSE_WAIT. A CLOSE_WAIT leak therefore looks as if connections grew.",
        "ESTABLISHED와 CLOSE_WAIT 상태인 연결 수. 그래서 CLOSE_WAIT 누수가 정상 연결의 증가처럼 보인다.";
}

rows! { COUNTERS, Counter, Namespace;
    "Tcp.ActiveOpens", "connections", "RFC 1213 tcpActiveOpens; net/ipv4/tcp_output.c tcp_connect()",
        "Connections this host opened: CLOSED → SYN-SENT, successful or not. A connect() that finds no local port sends no SYN and is counted nowhere.",
        "이 호스트가 연 연결: CLOSED → SYN-SENT. 성공 여부와 무관하다. 로컬 포트가 없어 실패한 connect()는 SYN을 보내지 않으므로 어디에도 집계되지 않는다.";
    "Tcp.PassiveOpens", "connections", "RFC 1213 tcpPassiveOpens; net/ipv4/tcp_minisocks.c tcp_create_openreq_child()",
        "Connections that clients opened to this host. The RFC says LISTEN → SYN-RCVD; Linux counts when the third segment completes the handshake, so neither half-open connections nor those that found the accept queue full are in it.",
        "클라이언트가 이 호스트로 연 연결. RFC 정의는 LISTEN → SYN-RCVD지만 리눅스는 세 번째 세그먼트로 핸드셰이크가 끝날 때 센다. 따라서 절반만 열린 연결과 accept 큐가 가득 차 버려진 연결은 빠진다.";
    "Tcp.AttemptFails", "connections", "RFC 1213 tcpAttemptFails; net/ipv4/tcp.c tcp_done(), tcp_minisocks.c tcp_check_req()",
        "Connections that failed before they were established, outgoing (SYN-SENT → CLOSED) and incoming (SYN-RCVD → CLOSED) together: scans of our ports raise it too. Failed connects of our own ≈ AttemptFails − EmbryonicRsts.",
        "수립되기 전에 실패한 연결. 나가는 것(SYN-SENT → CLOSED)과 들어오는 것(SYN-RCVD → CLOSED)을 모두 세므로 우리 포트를 스캔해도 늘어난다. 우리가 실패한 connect ≈ AttemptFails − EmbryonicRsts.";
    "Tcp.EstabResets", "connections", "RFC 1213 tcpEstabResets; net/ipv4/tcp.c tcp_set_state()",
        "Connections that went from ESTABLISHED or CLOSE_WAIT straight to CLOSED, in both directions: resets received, but also our own aborts and keepalive timeouts. Received ≈ EstabResets − the TCPAbortOn… counters.",
        "ESTABLISHED나 CLOSE_WAIT에서 곧바로 CLOSED가 된 연결. 받은 RST뿐 아니라 우리가 끊은 것과 keepalive 타임아웃도 포함한다. 받은 RST ≈ EstabResets − TCPAbortOn… 카운터의 합.";
    "Tcp.InSegs", "segments", "RFC 1213 tcpInSegs; net/ipv4/tcp_ipv4.c tcp_v4_rcv()",
        "Segments received, faulty ones included. A train that GRO has joined counts once, so it is too small under load and fits no device counter.",
        "받은 세그먼트. 오류 세그먼트도 포함한다. GRO가 합친 묶음은 하나로 세므로 부하가 크면 실제보다 작고, 장치 카운터와 비교할 수 없다.";
    "Tcp.OutSegs", "segments", "RFC 1213 tcpOutSegs; net/ipv4/tcp_output.c __tcp_transmit_skb()",
        "Segments sent, SYN, pure ACK and RST included, retransmissions excluded: RetransSegs / OutSegs can exceed 100 %. A host that mostly receives sends mostly ACKs; TCPOrigDataSent is the better denominator.",
        "보낸 세그먼트. SYN, 순수 ACK, RST를 포함하고 재전송은 제외하므로 RetransSegs / OutSegs는 100 %를 넘을 수 있다. 주로 받는 호스트는 대부분 ACK만 보내므로 분모로는 TCPOrigDataSent가 낫다.";
    "Tcp.RetransSegs", "segments", "RFC 1213 tcpRetransSegs; net/ipv4/tcp_output.c __tcp_retransmit_skb()",
        "Segments sent again: data, SYN, SYN-ACK and tail-loss probes together. Not part of OutSegs. Loss of data ≈ RetransSegs − TCPSynRetrans − TCPDSACKRecvSegs.",
        "다시 보낸 세그먼트: 데이터, SYN, SYN-ACK, TLP 프로브를 모두 합한 수. OutSegs에는 들어 있지 않다. 실제 데이터 손실 ≈ RetransSegs − TCPSynRetrans − TCPDSACKRecvSegs.";
    "Tcp.InErrs", "segments", "RFC 1213 tcpInErrs; net/ipv4/tcp_ipv4.c tcp_v4_rcv(), tcp_input.c tcp_validate_incoming()",
        "Segments received in error: bad checksum (InCsumErrors, contained), bad header length, and challenge-worthy SYNs in an open connection.",
        "오류가 있는 수신 세그먼트. 체크섬 오류(InCsumErrors 포함), 잘못된 헤더 길이, 열린 연결에 들어온 SYN 등이다.";
    "Tcp.OutRsts", "segments", "RFC 1213 tcpOutRsts; net/ipv4/tcp_ipv4.c tcp_v4_send_reset(), tcp_output.c tcp_send_active_reset()",
        "Resets sent: answers to closed ports (scans) and aborts by programs here. The TCPAbortOn… counters tell the aborts apart.",
        "보낸 RST. 닫힌 포트로 온 요청(스캔)에 대한 응답과 프로그램이 끊은 것을 모두 포함한다. TCPAbortOn… 카운터로 구분한다.";
    "Tcp.InCsumErrors", "segments", "net/ipv4/tcp_ipv4.c tcp_v4_rcv()",
        "Segments with a wrong TCP checksum. Ethernet's own check catches errors of the wire, so this is memory, a network card or a box between. Captures on the sender show “bad checksum” because of offload; those are not counted here.",
        "TCP 체크섬이 틀린 세그먼트. 회선 오류는 이더넷 CRC가 걸러내므로 메모리, NIC 또는 중간 장비의 손상이다. 송신 측 캡처에 보이는 bad checksum은 오프로드 때문이며 여기에 세지 않는다.";
}
