//! `TcpExt:` of `/proc/net/netstat`. Source: net/ipv4/proc.c `snmp4_net_list`; Documentation/networking/snmp_counter.rst.

use super::rows;

rows! { COUNTERS, Counter, Namespace;
    "TcpExt.SyncookiesSent", "segments", "net/ipv4/syncookies.c cookie_v4_init_sequence()",
        "SYN-ACKs answered with a cookie because the SYN queue was full.",
        "SYN 큐가 가득 차 쿠키로 응답한 SYN-ACK.";
    "TcpExt.SyncookiesRecv", "connections", "net/ipv4/syncookies.c cookie_v4_check()",
        "Cookies that came back valid: real clients. Far fewer than SyncookiesSent means a flood.",
        "유효하게 돌아온 쿠키, 즉 진짜 클라이언트. SyncookiesSent보다 훨씬 적으면 SYN flood다.";
    "TcpExt.SyncookiesFailed", "segments", "net/ipv4/syncookies.c cookie_v4_check()",
        "ACKs that carried no valid cookie while cookies were in use.",
        "쿠키를 쓰는 동안 유효한 쿠키 없이 들어온 ACK.";
    "TcpExt.EmbryonicRsts", "connections", "net/ipv4/tcp_minisocks.c tcp_check_req()",
        "Half-open incoming connections that a reset ended: health checks and scans. They are in AttemptFails too.",
        "RST로 끝난, 절반만 열린 수신 연결. 헬스 체크나 스캔이다. AttemptFails에도 포함된다.";
    "TcpExt.PruneCalled", "calls", "net/ipv4/tcp_input.c tcp_prune_queue()",
        "A receive buffer was full and its segments were packed together. Harmless while nothing is thrown away.",
        "수신 버퍼가 가득 차 세그먼트를 압축(collapse)한 횟수. 버려진 것이 없으면 무해하다.";
    "TcpExt.RcvPruned", "segments", "net/ipv4/tcp_input.c tcp_try_rmem_schedule()",
        "Received data thrown away because the buffer stayed full after packing. The peer must send it again.",
        "압축 후에도 버퍼가 부족해 버려진 수신 데이터. 상대가 다시 보내야 한다.";
    "TcpExt.OfoPruned", "calls", "net/ipv4/tcp_input.c tcp_prune_ofo_queue()",
        "Data received out of order were thrown away for want of buffer.",
        "버퍼가 부족해 순서가 어긋난 수신 데이터를 버린 횟수.";
    "TcpExt.TW", "sockets", "net/ipv4/inet_timewait_sock.c tw_timer_handler()",
        "TIME_WAIT sockets whose time ran out. FIN_WAIT2 that the kernel kept after close() is counted here too.",
        "시간이 다 되어 끝난 TIME_WAIT 소켓. close() 뒤 커널이 보관하던 FIN_WAIT2도 여기에 포함된다.";
    "TcpExt.TWRecycled", "sockets", "net/ipv4/inet_hashtables.c inet_twsk_deschedule_put(); tcp_ipv4.c tcp_twsk_unique()",
        "TIME_WAIT sockets whose ports a new outgoing connection took over (tcp_tw_reuse). Nothing to do with tcp_tw_recycle.",
        "새 연결이 포트를 이어받은 TIME_WAIT 소켓(tcp_tw_reuse). 이름과 달리 tcp_tw_recycle과는 무관하다.";
    "TcpExt.TWKilled", "sockets", "net/ipv4/inet_timewait_sock.c tw_timer_handler()",
        "TIME_WAIT sockets whose time ran out and that had been given four seconds or less.",
        "4초 이하의 짧은 시간을 받았다가 끝난 TIME_WAIT 소켓.";
    "TcpExt.PAWSActive", "segments", "RFC 7323 §5; net/ipv4/tcp_input.c tcp_rcv_synsent_state_process()",
        "Answers to our SYN dropped because of their timestamps.",
        "타임스탬프 때문에 버려진, 우리 SYN에 대한 응답.";
    "TcpExt.PAWSEstab", "segments", "RFC 7323 §5; net/ipv4/tcp_input.c tcp_validate_incoming()",
        "Segments of open connections dropped because their timestamp was old. Stray old duplicates are what this check is for; steady growth points to a NAT or load balancer that merges hosts with different clocks.",
        "타임스탬프가 오래되어 버려진, 열린 연결의 세그먼트. 떠돌던 옛 중복을 막는 정상 동작이지만, 꾸준히 늘면 시계가 다른 호스트를 합치는 NAT나 로드 밸런서를 의심한다.";
    "TcpExt.PAWSTimewait", "segments", "net/ipv4/tcp_minisocks.c tcp_timewait_state_process()",
        "Segments with old timestamps that reached a TIME_WAIT socket.",
        "TIME_WAIT 소켓에 도착한, 타임스탬프가 오래된 세그먼트.";
    "TcpExt.PAWSOldAck", "segments", "net/ipv4/tcp_input.c tcp_disordered_ack()",
        "Old acknowledgements whose timestamp failed the check although they overtook nothing: dropped without harm.",
        "타임스탬프 검사에 걸린 오래된 ACK. 버려져도 해가 없다.";
    "TcpExt.BeyondWindow", "segments", "net/ipv4/tcp_input.c tcp_sequence()",
        "Segments wholly beyond our receive window, such as probes into a window that we closed. No matter of timestamps.",
        "수신 윈도를 완전히 벗어난 세그먼트. 우리가 닫은 윈도에 대한 프로브 등이며 타임스탬프와는 무관하다.";
    "TcpExt.TSEcrRejected", "segments", "net/ipv4/tcp_input.c tcp_ack()",
        "Acknowledgements that echoed a timestamp we never sent.",
        "우리가 보낸 적 없는 타임스탬프를 되돌려준 ACK.";
    "TcpExt.DelayedACKs", "segments", "RFC 1122 §4.2.3.2; net/ipv4/tcp_timer.c tcp_delack_timer_handler()",
        "Acknowledgements sent by the delayed-ACK timer.",
        "지연 ACK 타이머가 보낸 ACK.";
    "TcpExt.DelayedACKLost", "segments", "net/ipv4/tcp_input.c tcp_send_dupack()",
        "Segments that arrived a second time: probably our acknowledgement was lost or late.",
        "두 번째로 도착한 세그먼트. 우리 ACK가 유실되었거나 늦었을 가능성이 크다.";
    "TcpExt.ListenOverflows", "connections", "net/ipv4/tcp_ipv4.c tcp_v4_syn_recv_sock(); include/net/sock.h sk_acceptq_is_full()",
        "A connection could not be put into an accept queue because the program does not accept fast enough. Which listener it was only the socket's own drops tell.",
        "프로그램의 accept가 느려 accept 큐에 넣지 못한 연결. 어느 리스너인지는 소켓별 drops로만 알 수 있다.";
    "TcpExt.ListenDrops", "segments", "net/ipv4/tcp_ipv4.c tcp_conn_request(), tcp_v4_syn_recv_sock()",
        "SYNs and final ACKs that a listener dropped, for any reason: ListenOverflows, a full SYN queue without cookies, no memory, no route back.",
        "리스너가 버린 SYN과 마지막 ACK. ListenOverflows, 쿠키 없이 가득 찬 SYN 큐, 메모리 부족, 되돌아갈 경로 없음 등 모든 이유를 합한 수.";
    "TcpExt.TCPHPHits", "segments", "net/ipv4/tcp_input.c tcp_rcv_established()",
        "Data segments that took the fast path.",
        "빠른 경로로 처리된 데이터 세그먼트.";
    "TcpExt.TCPPureAcks", "segments", "net/ipv4/tcp_input.c tcp_ack()",
        "Acknowledgements without data.",
        "데이터 없는 ACK.";
    "TcpExt.TCPRenoRecovery", "episodes", "net/ipv4/tcp_input.c tcp_enter_recovery()",
        "Fast recoveries on connections without SACK.",
        "SACK을 쓰지 않는 연결의 빠른 복구 횟수.";
    "TcpExt.TCPSackRecovery", "episodes", "RFC 6675; net/ipv4/tcp_input.c tcp_enter_recovery()",
        "Fast recoveries on connections with SACK. One episode repairs one or many losses.",
        "SACK을 쓰는 연결의 빠른 복구 횟수. 한 번에 하나 또는 여러 손실을 복구한다.";
    "TcpExt.TCPSACKReneging", "events", "RFC 2018 §8; net/ipv4/tcp_input.c tcp_check_sack_reneging()",
        "A peer threw away data that it had acknowledged by SACK.",
        "상대가 SACK으로 확인했던 데이터를 다시 버린 경우.";
    "TcpExt.TCPSACKReorder", "events", "net/ipv4/tcp_input.c tcp_check_sack_reordering()",
        "Reordering seen by SACK: a segment arrived later than one sent after it.",
        "SACK으로 드러난 순서 뒤바뀜. 나중에 보낸 세그먼트가 먼저 도착했다.";
    "TcpExt.TCPRenoReorder", "events", "net/ipv4/tcp_input.c tcp_check_reno_reordering()",
        "Reordering seen by duplicate acknowledgements alone.",
        "중복 ACK만으로 드러난 순서 뒤바뀜.";
    "TcpExt.TCPTSReorder", "events", "net/ipv4/tcp_input.c tcp_try_undo_partial()",
        "Reordering seen by timestamps.",
        "타임스탬프로 드러난 순서 뒤바뀜.";
    "TcpExt.TCPFullUndo", "episodes", "net/ipv4/tcp_input.c tcp_try_undo_recovery()",
        "Recoveries that turned out unnecessary as a whole and were undone.",
        "전부 불필요했던 것으로 밝혀져 취소된 복구.";
    "TcpExt.TCPPartialUndo", "episodes", "net/ipv4/tcp_input.c tcp_try_undo_partial()",
        "Recoveries that turned out partly unnecessary.",
        "일부 불필요했던 것으로 밝혀진 복구.";
    "TcpExt.TCPDSACKUndo", "episodes", "net/ipv4/tcp_input.c tcp_try_undo_dsack()",
        "Recoveries undone because DSACKs showed every retransmission to be unnecessary.",
        "모든 재전송이 불필요했음을 DSACK이 보여 주어 취소된 복구.";
    "TcpExt.TCPLossUndo", "episodes", "net/ipv4/tcp_input.c tcp_try_undo_loss()",
        "Timeouts that turned out unnecessary: the segment was late, not lost. The witness of delay spikes.",
        "불필요했던 것으로 밝혀진 타임아웃. 세그먼트는 유실이 아니라 지연되었다. 지연 급증의 증거다.";
    "TcpExt.TCPLostRetransmit", "segments", "net/ipv4/tcp_recovery.c tcp_mark_skb_lost()",
        "Retransmissions that were lost again.",
        "다시 유실된 재전송.";
    "TcpExt.TCPFastRetrans", "segments", "RFC 5681 §3.2; net/ipv4/tcp_output.c tcp_xmit_retransmit_queue()",
        "Retransmissions in fast recovery, without waiting for a timeout.",
        "타임아웃을 기다리지 않고 빠른 복구에서 보낸 재전송.";
    "TcpExt.TCPSlowStartRetrans", "segments", "net/ipv4/tcp_output.c tcp_xmit_retransmit_queue()",
        "Retransmissions in slow start after a timeout.",
        "타임아웃 뒤 slow start에서 보낸 재전송.";
    "TcpExt.TCPTimeouts", "events", "RFC 6298; net/ipv4/tcp_timer.c tcp_retransmit_timer()",
        "Retransmission timeouts: of data, but also of SYN, SYN-ACK and FIN, and of SYNs that never left. Each stalls its connection for 200 ms or more.",
        "재전송 타임아웃. 데이터뿐 아니라 SYN, SYN-ACK, FIN, 나가지도 못한 SYN의 타임아웃도 센다. 한 번에 200 ms 이상 멈춘다.";
    "TcpExt.TCPLossProbes", "segments", "RFC 8985 §7; net/ipv4/tcp_output.c tcp_send_loss_probe()",
        "Tail-loss probes: the last segment sent again early. On a clean but busy path they are the only retransmissions, and come back as DSACK.",
        "TLP 프로브: 마지막 세그먼트를 일찍 다시 보낸 것. 깨끗하지만 바쁜 경로에서는 유일한 재전송이며 DSACK으로 돌아온다.";
    "TcpExt.TCPLossProbeRecovery", "episodes", "RFC 8985 §7.4; net/ipv4/tcp_input.c tcp_process_tlp_ack()",
        "Tail losses that a probe repaired.",
        "프로브로 복구한 꼬리 손실.";
    "TcpExt.TCPRcvCollapsed", "segments", "net/ipv4/tcp_input.c tcp_collapse_one()",
        "Segments packed together in a full receive buffer.",
        "가득 찬 수신 버퍼에서 합쳐진 세그먼트.";
    "TcpExt.TCPBacklogCoalesce", "segments", "net/ipv4/tcp_ipv4.c tcp_add_backlog()",
        "Segments joined while they waited for a locked socket.",
        "잠긴 소켓을 기다리는 동안 합쳐진 세그먼트.";
    "TcpExt.TCPDSACKOldSent", "segments", "RFC 2883; net/ipv4/tcp_input.c tcp_dsack_set()",
        "DSACKs we sent: the peer sent data again that we had.",
        "우리가 보낸 DSACK. 이미 받은 데이터를 상대가 다시 보냈다.";
    "TcpExt.TCPDSACKOfoSent", "segments", "RFC 2883; net/ipv4/tcp_input.c tcp_dsack_set()",
        "DSACKs we sent for data that we held out of order.",
        "순서를 기다리던 데이터에 대해 우리가 보낸 DSACK.";
    "TcpExt.TCPDSACKRecv", "segments", "RFC 2883; net/ipv4/tcp_input.c tcp_check_dsack()",
        "DSACKs received: acknowledgements that report an unnecessary retransmission.",
        "받은 DSACK. 불필요한 재전송이 있었음을 알리는 ACK다.";
    "TcpExt.TCPDSACKOfoRecv", "segments", "RFC 2883; net/ipv4/tcp_input.c tcp_check_dsack()",
        "DSACKs received for data beyond the cumulative acknowledgement.",
        "누적 ACK 너머의 데이터에 대해 받은 DSACK.";
    "TcpExt.TCPDSACKRecvSegs", "segments", "net/ipv4/tcp_input.c tcp_dsack_seen(); since 5.5",
        "Segments that DSACKs report as received twice: retransmissions that were not needed. Taken out of RetransSegs to see the loss.",
        "DSACK이 두 번 받았다고 알린 세그먼트, 즉 불필요했던 재전송. 손실을 보려면 RetransSegs에서 뺀다.";
    "TcpExt.TCPDSACKIgnoredOld", "segments", "net/ipv4/tcp_input.c tcp_sacktag_write_queue()",
        "DSACKs too old to be used.",
        "너무 오래되어 쓰지 않은 DSACK.";
    "TcpExt.TCPDSACKIgnoredNoUndo", "segments", "net/ipv4/tcp_input.c tcp_sacktag_write_queue()",
        "DSACKs for something we did not retransmit: the network duplicates.",
        "재전송하지 않은 것에 대한 DSACK. 네트워크가 복제한 것이다.";
    "TcpExt.TCPDSACKIgnoredDubious", "segments", "net/ipv4/tcp_input.c tcp_dsack_seen(); since 5.10",
        "DSACKs that report more than we ever sent again: the network delivers segments twice.",
        "재전송한 것보다 많은 중복을 알리는 DSACK. 네트워크가 세그먼트를 두 번 전달하고 있다.";
    "TcpExt.TCPAbortOnData", "connections", "net/ipv4/tcp.c __tcp_close(), tcp_disconnect(); tcp_input.c tcp_rcv_state_process()",
        "Connections aborted with data in flight: SO_LINGER 0, or data for a socket that is already closed.",
        "데이터가 오가는 중에 끊긴 연결. SO_LINGER 0이거나, 이미 닫힌 소켓에 데이터가 도착했다.";
    "TcpExt.TCPAbortOnClose", "connections", "RFC 2525 §2.17; net/ipv4/tcp.c __tcp_close()",
        "A program closed with unread data: the kernel sends a reset instead of FIN, and the peer may lose the reply.",
        "읽지 않은 데이터를 남기고 닫은 경우. 커널이 FIN 대신 RST를 보내 상대가 응답을 잃을 수 있다.";
    "TcpExt.TCPAbortOnMemory", "connections", "net/ipv4/tcp_timer.c tcp_out_of_resources(); tcp.c __tcp_close()",
        "Closed connections that were reset at once because there were too many orphans or too little TCP memory.",
        "고아 소켓이 너무 많거나 TCP 메모리가 부족해 즉시 RST로 끊긴 연결.";
    "TcpExt.TCPAbortOnTimeout", "connections", "net/ipv4/tcp_timer.c tcp_write_err(), tcp_keepalive_timer()",
        "Connections given up because nothing was answered any more: retransmissions, window probes or keepalives.",
        "응답이 끊겨 포기한 연결. 재전송, 윈도 프로브, keepalive가 모두 해당한다.";
    "TcpExt.TCPAbortOnLinger", "connections", "net/ipv4/tcp.c __tcp_close(); tcp_input.c tcp_rcv_state_process()",
        "Connections reset in FIN_WAIT2 because TCP_LINGER2 was negative.",
        "TCP_LINGER2가 음수라 FIN_WAIT2에서 끊긴 연결.";
    "TcpExt.TCPAbortFailed", "segments", "net/ipv4/tcp_output.c tcp_send_active_reset()",
        "Resets that could not be sent for want of memory.",
        "메모리가 부족해 보내지 못한 RST.";
    "TcpExt.TCPMemoryPressures", "events", "net/ipv4/tcp.c tcp_enter_memory_pressure()",
        "How often TCP's memory passed the pressure mark of tcp_mem. The memory is the whole host's.",
        "TCP 메모리가 tcp_mem의 pressure 값을 넘은 횟수. 메모리 자체는 호스트 전체의 것이다.";
    "TcpExt.TCPMemoryPressuresChrono", "ms", "net/ipv4/tcp.c tcp_leave_memory_pressure()",
        "How long TCP has been under memory pressure; added when it ends.",
        "TCP가 메모리 압박 상태였던 시간. 압박이 끝날 때 더해진다.";
    "TcpExt.TCPSpuriousRTOs", "events", "RFC 5682; net/ipv4/tcp_input.c tcp_process_loss()",
        "Unnecessary timeouts found by F-RTO alone. Usually stays 0: TCPLossUndo sees them first.",
        "F-RTO만으로 밝혀진 불필요한 타임아웃. 대개 TCPLossUndo가 먼저 알아채므로 0이다.";
    "TcpExt.TCPMD5NotFound", "segments", "RFC 2385; net/ipv4/tcp.c tcp_inbound_md5_hash()",
        "Segments without the MD5 signature that their connection demands.",
        "연결이 요구하는 MD5 서명이 없는 세그먼트.";
    "TcpExt.TCPMD5Unexpected", "segments", "RFC 2385; net/ipv4/tcp.c tcp_inbound_md5_hash()",
        "Segments with an MD5 signature where none is expected.",
        "예상하지 않은 MD5 서명이 붙은 세그먼트.";
    "TcpExt.TCPBacklogDrop", "segments", "net/ipv4/tcp_ipv4.c tcp_add_backlog()",
        "Segments dropped because their socket was locked by its own process for too long: huge copies, page faults, swapping.",
        "자기 프로세스가 소켓을 너무 오래 잠가 버려진 세그먼트. 거대한 복사, 페이지 폴트, 스왑이 원인이다.";
    "TcpExt.PFMemallocDrop", "segments", "net/core/filter.c sk_filter_trim_cap()",
        "Packets dropped because they lay in memory reserved for emergencies: the host is out of memory.",
        "비상용 메모리에 놓여 버려진 패킷. 호스트의 메모리가 바닥났다.";
    "TcpExt.TCPMinTTLDrop", "segments", "RFC 5082; net/ipv4/tcp_ipv4.c tcp_v4_rcv()",
        "Segments dropped because their TTL was below IP_MINTTL.",
        "TTL이 IP_MINTTL보다 작아 버려진 세그먼트.";
    "TcpExt.TCPDeferAcceptDrop", "segments", "net/ipv4/tcp_minisocks.c tcp_check_req(); tcp(7) TCP_DEFER_ACCEPT",
        "Final ACKs without data ignored on purpose, because the listener waits for the first data.",
        "첫 데이터를 기다리는 리스너가 일부러 무시한, 데이터 없는 마지막 ACK.";
    "TcpExt.IPReversePathFilter", "packets", "net/ipv4/fib_frontend.c __fib_validate_source(); ip_input.c",
        "Packets dropped because they came in on another interface than answers to them would leave by (rp_filter).",
        "응답이 나갈 인터페이스와 다른 인터페이스로 들어와 rp_filter에 버려진 패킷.";
    "TcpExt.TCPTimeWaitOverflow", "sockets", "net/ipv4/inet_timewait_sock.c inet_twsk_alloc(); tcp_minisocks.c tcp_time_wait()",
        "Connections that skipped TIME_WAIT because tcp_max_tw_buckets was reached: late segments may hit new connections, a lost last ACK is answered by a reset.",
        "tcp_max_tw_buckets에 도달해 TIME_WAIT 없이 끝난 연결. 늦은 세그먼트가 새 연결에 섞이거나, 유실된 마지막 ACK 뒤에 RST가 나갈 수 있다.";
    "TcpExt.TCPReqQFullDoCookies", "segments", "net/ipv4/tcp_input.c tcp_syn_flood_action()",
        "SYNs that met a full SYN queue and were answered with a cookie.",
        "가득 찬 SYN 큐를 만나 쿠키로 응답한 SYN.";
    "TcpExt.TCPReqQFullDrop", "segments", "net/ipv4/tcp_input.c tcp_syn_flood_action()",
        "SYNs that met a full SYN queue and were dropped, cookies being off.",
        "쿠키가 꺼져 있어, 가득 찬 SYN 큐에서 버려진 SYN.";
    "TcpExt.TCPRetransFail", "segments", "net/ipv4/tcp_output.c __tcp_retransmit_skb()",
        "Retransmissions that this host refused to send: its own filter, a full connection tracking table, a full queue.",
        "이 호스트가 스스로 내보내지 못한 재전송. 자체 필터, 가득 찬 conntrack 테이블, 가득 찬 큐가 원인이다.";
    "TcpExt.TCPRcvCoalesce", "segments", "net/ipv4/tcp_input.c tcp_try_coalesce()",
        "Segments joined with the one before in the receive queue.",
        "수신 큐에서 앞 세그먼트와 합쳐진 세그먼트.";
    "TcpExt.TCPOFOQueue", "segments", "net/ipv4/tcp_input.c tcp_data_queue_ofo()",
        "Segments received out of order and kept: something before them is missing or late.",
        "순서가 어긋난 채 도착해 보관 중인 세그먼트. 앞의 것이 유실되었거나 늦다.";
    "TcpExt.TCPOFODrop", "segments", "net/ipv4/tcp_input.c tcp_data_queue_ofo()",
        "Segments received out of order and dropped for want of memory.",
        "메모리가 부족해 버려진, 순서가 어긋난 세그먼트.";
    "TcpExt.TCPOFOMerge", "segments", "net/ipv4/tcp_input.c tcp_data_queue_ofo()",
        "Segments received out of order that overlapped others.",
        "순서가 어긋난 채 도착해 다른 것과 겹친 세그먼트.";
    "TcpExt.TCPChallengeACK", "segments", "RFC 5961; net/ipv4/tcp_input.c tcp_send_challenge_ack()",
        "Acknowledgements sent to make sure that a suspicious segment was meant.",
        "의심스러운 세그먼트의 진위를 확인하려고 보낸 ACK.";
    "TcpExt.TCPSYNChallenge", "segments", "RFC 5961 §4; net/ipv4/tcp_input.c tcp_validate_incoming()",
        "Challenge ACKs sent because a SYN came into an open connection.",
        "열린 연결에 SYN이 들어와 보낸 challenge ACK.";
    "TcpExt.TCPSpuriousRtxHostQueues", "events", "net/ipv4/tcp_output.c skb_still_in_host_queue()",
        "A timer expired while the segment still lay in a queue of this host: it has not left yet (no ARP answer, a full device queue).",
        "세그먼트가 아직 이 호스트의 큐에 있는데 타이머가 만료됨. ARP 응답이 없거나 장치 큐가 밀려 나가지 못했다.";
    "TcpExt.TCPAutoCorking", "segments", "net/ipv4/tcp.c tcp_push(); tcp_autocorking",
        "Small writes held back to be joined with the next.",
        "다음 것과 합치려고 잠시 미룬 작은 쓰기.";
    "TcpExt.TCPFromZeroWindowAdv", "events", "net/ipv4/tcp_output.c tcp_select_window()",
        "Our receive window opened again. Transitions, not stuck sockets.",
        "우리 수신 윈도가 다시 열린 횟수. 상태 전이만 세며, 막혀 있는 소켓 수가 아니다.";
    "TcpExt.TCPToZeroWindowAdv", "events", "net/ipv4/tcp_output.c tcp_select_window()",
        "Our receive window closed. Counts transitions: a socket stuck for an hour adds nothing.",
        "우리 수신 윈도가 닫힌 횟수. 전이만 세므로 한 시간째 막힌 소켓은 아무것도 더하지 않는다.";
    "TcpExt.TCPWantZeroWindowAdv", "events", "net/ipv4/tcp_output.c __tcp_select_window()",
        "Our receive window would have closed but may not shrink.",
        "수신 윈도를 닫아야 했지만 줄일 수 없었던 횟수.";
    "TcpExt.TCPSynRetrans", "segments", "net/ipv4/tcp_output.c __tcp_retransmit_skb(), tcp_rtx_synack()",
        "SYNs and SYN-ACKs sent again. Which of the two it was the sockets in SYN_SENT and SYN_RECV tell.",
        "다시 보낸 SYN과 SYN-ACK. 어느 쪽인지는 SYN_SENT, SYN_RECV 소켓을 보아야 안다.";
    "TcpExt.TCPOrigDataSent", "segments", "net/ipv4/tcp_output.c tcp_event_new_data_sent(); commit f19c29e3e391",
        "Data segments sent for the first time: the denominator of the retransmission ratio, as the kernel's documentation recommends.",
        "처음 보낸 데이터 세그먼트. 커널 문서가 권하는 재전송 비율의 분모다.";
    "TcpExt.TCPACKSkippedSynRecv", "segments", "net/ipv4/tcp_input.c tcp_oow_rate_limited()",
        "Acknowledgements left out by the rate limit in SYN_RECV.",
        "SYN_RECV에서 속도 제한으로 생략한 ACK.";
    "TcpExt.TCPACKSkippedPAWS", "segments", "net/ipv4/tcp_input.c tcp_oow_rate_limited()",
        "Acknowledgements to segments with old timestamps left out by the rate limit.",
        "타임스탬프가 오래된 세그먼트에 대해 속도 제한으로 생략한 ACK.";
    "TcpExt.TCPWinProbe", "segments", "RFC 9293 §3.8.6.1; net/ipv4/tcp_output.c tcp_write_wakeup()",
        "Probes into a window that a peer has closed.",
        "상대가 닫은 윈도에 보낸 프로브.";
    "TcpExt.TCPKeepAlive", "segments", "RFC 1122 §4.2.3.6; net/ipv4/tcp_timer.c tcp_keepalive_timer()",
        "Keepalive probes sent (SO_KEEPALIVE).",
        "보낸 keepalive 프로브(SO_KEEPALIVE).";
    "TcpExt.TCPMTUPFail", "events", "RFC 4821; net/ipv4/tcp_timer.c tcp_mtu_probing()",
        "Larger packets that a path-MTU probe tried in vain.",
        "경로 MTU 프로브가 시도했으나 통과하지 못한 큰 패킷.";
    "TcpExt.TCPMTUPSuccess", "events", "RFC 4821; net/ipv4/tcp_input.c tcp_mtup_probe_success()",
        "Path-MTU probes that got through.",
        "통과한 경로 MTU 프로브.";
    "TcpExt.TCPDelivered", "segments", "net/ipv4/tcp_input.c tcp_newly_delivered()",
        "Segments that peers acknowledged, retransmissions and SYNs included.",
        "상대가 확인한 세그먼트. 재전송과 SYN도 포함한다.";
    "TcpExt.TCPDeliveredCE", "segments", "RFC 3168; net/ipv4/tcp_input.c tcp_newly_delivered()",
        "Acknowledged segments that a router marked as having met congestion (ECN).",
        "라우터가 혼잡을 표시(ECN)한 채 확인된 세그먼트.";
    "TcpExt.TCPAckCompressed", "segments", "net/ipv4/tcp_input.c __tcp_ack_snd_check()",
        "Acknowledgements saved by joining them.",
        "하나로 합쳐 생략한 ACK.";
    "TcpExt.TCPZeroWindowDrop", "segments", "net/ipv4/tcp_input.c tcp_data_queue()",
        "Data dropped because our window was zero.",
        "우리 윈도가 0이라 버려진 데이터.";
    "TcpExt.TCPRcvQDrop", "segments", "net/ipv4/tcp_input.c tcp_data_queue()",
        "Data in order dropped because the receive buffer could take no more: of the socket, its cgroup or the host.",
        "수신 버퍼(소켓, cgroup 또는 호스트)가 더 받지 못해 버려진 정상 순서의 데이터.";
    "TcpExt.TCPWqueueTooBig", "events", "net/ipv4/tcp_output.c tcp_fragment()",
        "Retransmissions that could not be cut because the send queue had grown too large.",
        "송신 큐가 너무 커 나눌 수 없었던 재전송.";
    "TcpExt.TcpTimeoutRehash", "events", "net/ipv4/tcp_timer.c tcp_write_timeout()",
        "After a timeout the flow label was changed to try another path.",
        "타임아웃 뒤 다른 경로를 시도하려고 flow label을 바꾼 횟수.";
    "TcpExt.TcpDuplicateDataRehash", "events", "net/ipv4/tcp_input.c tcp_rcv_spurious_retrans()",
        "The flow label was changed because a peer kept sending the same data: our acknowledgements seem to get lost.",
        "상대가 같은 데이터를 거듭 보내 flow label을 바꾼 횟수. 우리 ACK가 유실되는 것으로 보인다.";
    "TcpExt.TCPAORequired", "segments", "RFC 5925; net/ipv4/tcp_ao.c tcp_inbound_ao_hash()",
        "Segments without the authentication option that their connection demands.",
        "연결이 요구하는 인증 옵션(TCP-AO)이 없는 세그먼트.";
    "TcpExt.TCPAOBad", "segments", "RFC 5925; net/ipv4/tcp_ao.c tcp_ao_verify_hash()",
        "Segments whose authentication failed.",
        "인증(TCP-AO)에 실패한 세그먼트.";
    "TcpExt.TCPAOKeyNotFound", "segments", "RFC 5925; net/ipv4/tcp_ao.c tcp_inbound_ao_hash()",
        "Segments signed with a key that we do not have.",
        "우리에게 없는 키로 서명된 세그먼트.";
}
