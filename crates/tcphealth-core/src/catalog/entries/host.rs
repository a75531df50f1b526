//! `/proc/net/{sockstat,sockstat6,dev,softnet_stat}` and connection tracking. Source: net/ipv4/proc.c, net/core/net-procfs.c,
//! net/netfilter/nf_conntrack_standalone.c. An interface's name stands for `*`.

use super::rows;

rows! { SOCKSTAT, Gauge, Namespace;
    "sockets.used", "sockets", "net/socket.c socket_seq_show()",
        "Sockets of every protocol in use, Unix sockets included.",
        "사용 중인 모든 프로토콜의 소켓. 유닉스 소켓도 포함한다.";
    "TCP.inuse", "sockets", "net/ipv4/proc.c sockstat_seq_show()",
        "TCP sockets over IPv4 in use, listeners included, TIME_WAIT and orphans not.",
        "사용 중인 IPv4 TCP 소켓. 리스너를 포함하고 TIME_WAIT와 고아 소켓은 제외한다.";
    "TCP.tw", "sockets", "net/ipv4/proc.c sockstat_seq_show()",
        "TIME_WAIT sockets of both families, and with them the FIN_WAIT2 that the kernel keeps after close().",
        "IPv4와 IPv6의 TIME_WAIT 소켓. close() 뒤 커널이 보관하는 FIN_WAIT2도 포함한다.";
    "UDP.inuse", "sockets", "net/ipv4/proc.c sockstat_seq_show()", "UDP sockets over IPv4 in use.", "사용 중인 IPv4 UDP 소켓.";
    "RAW.inuse", "sockets", "net/ipv4/proc.c sockstat_seq_show()", "Raw sockets over IPv4 in use.", "사용 중인 IPv4 raw 소켓.";
    "FRAG.inuse", "queues", "net/ipv4/proc.c sockstat_seq_show()", "IPv4 packets waiting for the rest of their fragments.", "나머지 조각을 기다리는 IPv4 패킷.";
    "FRAG.memory", "bytes", "net/ipv4/proc.c sockstat_seq_show()", "Memory held by waiting fragments.", "기다리는 조각이 차지한 메모리.";
    "TCP6.inuse", "sockets", "net/ipv6/proc.c sockstat6_seq_show()", "TCP sockets over IPv6 in use; a dual-stack listener counts here only.", "사용 중인 IPv6 TCP 소켓. 듀얼 스택 리스너는 여기에만 센다.";
    "UDP6.inuse", "sockets", "net/ipv6/proc.c sockstat6_seq_show()", "UDP sockets over IPv6 in use.", "사용 중인 IPv6 UDP 소켓.";
    "RAW6.inuse", "sockets", "net/ipv6/proc.c sockstat6_seq_show()", "Raw sockets over IPv6 in use.", "사용 중인 IPv6 raw 소켓.";
    "FRAG6.inuse", "queues", "net/ipv6/proc.c sockstat6_seq_show()", "IPv6 packets waiting for the rest of their fragments.", "나머지 조각을 기다리는 IPv6 패킷.";
}

rows! { SOCKSTAT_HOST, Gauge, Host;
    "TCP.orphan", "sockets", "net/ipv4/tcp.c tcp_orphan_count_sum()",
        "Sockets that no process holds any more and whose data or FIN are not acknowledged yet. Host-wide, whatever namespace shows it; compare with tcp_max_orphans.",
        "프로세스가 없고 데이터나 FIN이 아직 확인되지 않은 소켓. 어느 네임스페이스에서 보아도 호스트 전체의 값이며 tcp_max_orphans와 비교한다.";
    "TCP.alloc", "sockets", "net/ipv4/proc.c sockstat_seq_show()",
        "TCP sockets allocated, in whatever state. Host-wide.",
        "상태와 관계없이 할당된 TCP 소켓. 호스트 전체의 값이다.";
    "TCP.mem", "pages", "net/ipv4/tcp.c tcp_memory_allocated; tcp_mem",
        "Memory of TCP's buffers, in pages (usually 4 KiB). Host-wide; compare with the three marks of tcp_mem, which are pages too.",
        "TCP 버퍼의 메모리. 단위는 페이지(보통 4 KiB)이고 호스트 전체의 값이다. 역시 페이지 단위인 tcp_mem의 세 값과 비교한다.";
    "UDP.mem", "pages", "net/ipv4/proc.c sockstat_seq_show()", "Memory of UDP's buffers, in pages. Host-wide.", "UDP 버퍼의 메모리(페이지). 호스트 전체의 값이다.";
}

rows! { INTERFACES, Counter, Namespace;
    "dev.*.rx_bytes", "bytes", "net/core/net-procfs.c dev_seq_show()", "Bytes received.", "받은 바이트.";
    "dev.*.rx_packets", "packets", "net/core/net-procfs.c dev_seq_show()",
        "Packets received. On veth and virtio a packet may be a train of up to 64 KiB: never divide a TCP counter by it.",
        "받은 패킷. veth와 virtio에서는 패킷 하나가 최대 64 KiB의 묶음일 수 있으므로 TCP 카운터를 이 값으로 나누면 안 된다.";
    "dev.*.rx_errs", "packets", "include/uapi/linux/if_link.h rx_errors",
        "Faulty packets received: checksums, frames, lengths. A clean link has none.",
        "오류가 있는 수신 패킷(체크섬, 프레임, 길이). 깨끗한 링크에서는 0이다.";
    "dev.*.rx_drop", "packets", "include/uapi/linux/if_link.h rx_dropped, rx_missed_errors",
        "Packets dropped on receipt: no room, but also protocols that nobody asked for (spanning tree, LLDP, foreign VLANs), a few a second on a switched network without harm.",
        "수신 후 버려진 패킷. 공간 부족뿐 아니라 아무도 쓰지 않는 프로토콜(STP, LLDP, 다른 VLAN)도 포함하므로 초당 몇 개는 무해하다.";
    "dev.*.rx_fifo", "packets", "include/uapi/linux/if_link.h rx_fifo_errors",
        "Packets lost because the card's ring was full: the host does not fetch them fast enough.",
        "NIC 링이 가득 차 유실된 패킷. 호스트가 제때 가져가지 못했다.";
    "dev.*.rx_frame", "packets", "include/uapi/linux/if_link.h rx_frame_errors, rx_length_errors, rx_crc_errors",
        "Packets with broken frames: cable, transceiver, or duplex.",
        "프레임이 깨진 패킷. 케이블, 트랜시버, duplex 불일치가 원인이다.";
    "dev.*.rx_compressed", "packets", "include/uapi/linux/if_link.h rx_compressed", "Compressed packets received (old modem links).", "압축된 수신 패킷(옛 모뎀 링크).";
    "dev.*.rx_multicast", "packets", "include/uapi/linux/if_link.h multicast", "Multicast packets received.", "받은 멀티캐스트 패킷.";
    "dev.*.tx_bytes", "bytes", "net/core/net-procfs.c dev_seq_show()", "Bytes sent.", "보낸 바이트.";
    "dev.*.tx_packets", "packets", "net/core/net-procfs.c dev_seq_show()", "Packets sent; one may be a train that the card cuts up.", "보낸 패킷. NIC가 나눌 묶음 하나일 수 있다.";
    "dev.*.tx_errs", "packets", "include/uapi/linux/if_link.h tx_errors", "Packets that could not be sent.", "보내지 못한 패킷.";
    "dev.*.tx_drop", "packets", "include/uapi/linux/if_link.h tx_dropped",
        "Packets that the driver dropped. Drops of the queueing discipline above it are not here but in tc -s qdisc.",
        "드라이버가 버린 송신 패킷. 그 위의 큐잉 규칙(qdisc)이 버린 것은 여기에 없고 tc -s qdisc에 있다.";
    "dev.*.tx_fifo", "packets", "include/uapi/linux/if_link.h tx_fifo_errors", "Packets lost because the card ran empty while sending.", "송신 중 NIC FIFO 오류로 유실된 패킷.";
    "dev.*.tx_colls", "packets", "include/uapi/linux/if_link.h collisions", "Collisions; there are none on a full-duplex link.", "충돌. 전이중 링크에서는 생기지 않는다.";
    "dev.*.tx_carrier", "packets", "include/uapi/linux/if_link.h tx_carrier_errors, tx_aborted_errors, tx_window_errors, tx_heartbeat_errors", "Packets lost because the link was gone while sending.", "송신 중 캐리어가 끊겨 유실된 패킷.";
    "dev.*.tx_compressed", "packets", "include/uapi/linux/if_link.h tx_compressed", "Compressed packets sent (old modem links).", "압축된 송신 패킷(옛 모뎀 링크).";
}

rows! { QDISCS, Counter, Namespace;
    "qdisc.*.packets", "packets", "net/core/gen_stats.c gnet_stats_copy_basic()",
        "Packets that the root queueing discipline of the device let go.",
        "장치의 루트 qdisc가 내보낸 패킷.";
    "qdisc.*.drops", "packets", "net/core/gen_stats.c gnet_stats_copy_queue()",
        "Packets that the root queueing discipline or one below it dropped. They hardly show as retransmissions: TCP slows down.",
        "루트 qdisc나 그 아래 qdisc가 버린 패킷. 재전송으로는 거의 드러나지 않고 TCP가 느려진다.";
    "qdisc.*.requeues", "packets", "net/sched/sch_generic.c dev_requeue_skb()",
        "Packets that the driver would not take and the discipline kept.",
        "드라이버가 받지 않아 qdisc가 되돌려 둔 패킷.";
}

rows! { EVENTS, Counter, Namespace;
    "event.change.*", "sockets", "net/ipv4/af_inet.c inet_sk_set_state(), tracepoint inet_sock_set_state",
        "How often a socket went from one state to another, old and new state in the name. Counted from when the recorder began.",
        "소켓의 상태가 바뀐 횟수. 이름에 이전 상태와 새 상태가 들어 있다. 기록기가 시작한 때부터 센다.";
    "event.connect.*", "connects", "net/ipv4/tcp_ipv4.c tcp_v4_connect(), tracepoint inet_sock_set_state",
        "How connects came out: ESTABLISHED, an errno, Unsent (no SYN left), GivenUp (closed by the program). EADDRNOTAVAIL stands in no other counter.",
        "connect의 결과: ESTABLISHED, errno, Unsent(SYN이 나가지 않음), GivenUp(프로그램이 먼저 닫음). EADDRNOTAVAIL은 다른 카운터에 없다.";
    "event.reset_sent.*", "segments", "net/ipv4/tcp_ipv4.c tcp_v4_send_reset(), tcp_output.c tcp_send_active_reset(), tracepoint tcp_send_reset",
        "Resets that this host sent, by the kernel's reason (include/net/rstreason.h).",
        "이 호스트가 보낸 RST. 커널의 이유(include/net/rstreason.h)별로 센다.";
    "event.reset_received", "segments", "net/ipv4/tcp_input.c tcp_reset(), tracepoint tcp_receive_reset",
        "Resets that ended a connection of this host: Tcp.EstabResets also counts our own.",
        "이 호스트의 연결을 끊은 RST. Tcp.EstabResets는 이쪽이 보낸 것까지 센다.";
    "event.retransmit", "segments", "net/ipv4/tcp_output.c __tcp_retransmit_skb(), tracepoint tcp_retransmit_skb",
        "Segments sent again that were no SYN.", "SYN이 아닌 재전송 세그먼트.";
    "event.retransmit_syn", "segments", "net/ipv4/tcp_output.c __tcp_retransmit_skb(), tracepoint tcp_retransmit_skb",
        "SYNs sent again: TCPSynRetrans also counts SYN-ACKs.", "재전송한 SYN. TCPSynRetrans는 SYN-ACK까지 센다.";
    "event.retransmit_synack", "segments", "net/ipv4/tcp_output.c tcp_rtx_synack(), tracepoint tcp_retransmit_synack",
        "SYN-ACKs sent again.", "재전송한 SYN-ACK.";
    "event.missed", "events", "kernel/trace/bpf_trace.c, bpf_prog_info recursion_misses",
        "Events that are in no sum: they interrupted the program that counts.", "세는 프로그램이 실행 중에 생겨 세지 못한 이벤트.";
}

rows! { SOFTNET, Counter, Host;
    "softnet.processed", "packets", "net/core/net-procfs.c softnet_seq_show(), column 1",
        "Packets taken from the cards and from the backlog, all CPUs together; softnet.cpu0.processed is the first CPU's.",
        "NIC와 backlog에서 처리한 패킷(모든 CPU의 합). softnet.cpu0.processed는 CPU 0의 값이다.";
    "softnet.dropped", "packets", "net/core/dev.c enqueue_to_backlog(), column 2",
        "Packets dropped because a CPU's backlog (netdev_max_backlog) was full: lost before TCP sees them.",
        "CPU backlog(netdev_max_backlog)가 가득 차 버려진 패킷. TCP가 보기 전에 유실된다.";
    "softnet.time_squeeze", "events", "net/core/dev.c net_rx_action(), column 3",
        "How often a CPU stopped taking packets because its time or budget was used up while more waited.",
        "패킷이 남았는데 시간이나 예산이 다 되어 처리를 멈춘 횟수.";
    "softnet.received_rps", "events", "net/core/dev.c rps_trigger_softirq(), column 10", "How often another CPU handed packets over (RPS).", "다른 CPU가 패킷을 넘겨준 횟수(RPS).";
    "softnet.flow_limit", "packets", "net/core/dev.c skb_flow_limit(), column 11", "Packets dropped so that one large flow does not fill the backlog.", "하나의 큰 흐름이 backlog를 채우지 못하도록 버린 패킷.";
}

rows! { SOFTNET_NOW, Gauge, Host;
    "softnet.backlog_len", "packets", "net/core/net-procfs.c softnet_seq_show(), column 12", "Packets waiting in the backlog now.", "지금 backlog에서 기다리는 패킷.";
}

rows! { CONNTRACK, Counter, Namespace;
    "conntrack.found", "lookups", "net/netfilter/nf_conntrack_core.c nf_conntrack_tuple_taken()", "Searches for a free address translation that met a taken one.", "NAT 튜플을 찾다가 이미 쓰이는 것을 만난 횟수.";
    "conntrack.invalid", "packets", "net/netfilter/nf_conntrack_core.c nf_conntrack_in()", "Packets that fit no connection: beyond the window, or of a flow that tracking has forgotten.", "어느 연결에도 맞지 않는 패킷. 윈도를 벗어났거나, 추적이 잊은 흐름이다.";
    "conntrack.insert_failed", "connections", "net/netfilter/nf_conntrack_core.c __nf_conntrack_confirm()", "New connections lost because another took the same tuple first: source ports of NAT running out, or two requests at once.", "다른 연결이 같은 튜플을 먼저 차지해 유실된 새 연결. SNAT 포트 고갈이나 동시 요청이 원인이다.";
    "conntrack.drop", "packets", "net/netfilter/nf_conntrack_core.c __nf_conntrack_alloc()", "Packets of new connections dropped because the table was full.", "테이블이 가득 차 버려진 새 연결의 패킷.";
    "conntrack.early_drop", "connections", "net/netfilter/nf_conntrack_core.c early_drop()", "Connections thrown out of a full table to make room.", "가득 찬 테이블에 자리를 만들려고 밀려난 연결.";
    "conntrack.icmp_error", "packets", "net/netfilter/nf_conntrack_proto_icmp.c", "Faulty ICMP packets seen by connection tracking.", "연결 추적이 본 오류 ICMP 패킷.";
    "conntrack.search_restart", "lookups", "net/netfilter/nf_conntrack_core.c ____nf_conntrack_find()", "Look-ups begun again because the table was being resized.", "테이블 크기가 바뀌는 중이라 다시 시작한 검색.";
}

rows! { CONNTRACK_NOW, Gauge, Namespace;
    "conntrack.entries", "connections", "net/netfilter/nf_conntrack_standalone.c ct_cpu_seq_show()", "Connections tracked now; the kernel prints the same number for every CPU.", "지금 추적 중인 연결. 커널이 CPU마다 같은 값을 출력한다.";
    "conntrack.count", "connections", "/proc/sys/net/netfilter/nf_conntrack_count", "Connections tracked now, of this namespace; its limit is conntrack.max.", "이 네임스페이스에서 지금 추적 중인 연결. 한계는 conntrack.max다.";
}

rows! { CONNTRACK_LIMIT, Gauge, Host;
    "conntrack.max", "connections", "/proc/sys/net/netfilter/nf_conntrack_max", "Largest number of tracked connections. One setting of the host that holds for each namespace by itself.", "추적할 수 있는 최대 연결 수. 호스트에 하나뿐인 설정이며 네임스페이스마다 따로 적용된다.";
}
