//! `Ip:`, `Icmp:`, `Udp:` of `/proc/net/snmp` and `IpExt:` of `/proc/net/netstat`. Source: RFC 1213 (RFC 4293), net/ipv4/proc.c.

use super::rows;

rows! { COUNTERS, Counter, Namespace;
    "Ip.InReceives", "packets", "RFC 1213 ipInReceives; net/ipv4/ip_input.c ip_rcv_core()",
        "IPv4 packets received, with errors too. InReceives − InDelivers − forwarded − all the named losses = what our own filter dropped on the way in.",
        "받은 IPv4 패킷(오류 포함). InReceives − InDelivers − 포워딩 − 이름 있는 손실 = 이 호스트의 필터가 들어오는 길에 버린 패킷.";
    "Ip.InHdrErrors", "packets", "RFC 1213 ipInHdrErrors; net/ipv4/ip_input.c ip_rcv_core()",
        "Packets dropped for a bad header, or forwarded ones whose TTL ran out.",
        "헤더가 잘못되었거나, 포워딩 중 TTL이 다 되어 버려진 패킷.";
    "Ip.InAddrErrors", "packets", "RFC 1213 ipInAddrErrors; net/ipv4/route.c ip_error()",
        "Packets whose destination is not ours and that we do not forward.",
        "목적지가 우리가 아니고 포워딩도 하지 않는 패킷.";
    "Ip.ForwDatagrams", "packets", "RFC 1213 ipForwDatagrams; net/ipv4/ip_forward.c ip_forward()",
        "Packets forwarded to another host.",
        "다른 호스트로 포워딩한 패킷.";
    "Ip.InUnknownProtos", "packets", "RFC 1213 ipInUnknownProtos; net/ipv4/ip_input.c ip_protocol_deliver_rcu()",
        "Packets of a protocol that nobody here handles.",
        "이 호스트에서 처리할 프로토콜이 없는 패킷.";
    "Ip.InDiscards", "packets", "RFC 1213 ipInDiscards; net/ipv4/ip_input.c",
        "Faultless packets dropped on the way in, for want of memory for instance.",
        "메모리 부족 등으로 들어오는 길에 버려진 정상 패킷.";
    "Ip.InDelivers", "packets", "RFC 1213 ipInDelivers; net/ipv4/ip_input.c ip_local_deliver_finish()",
        "Packets handed to TCP, UDP, ICMP or another protocol.",
        "TCP, UDP, ICMP 등 상위 프로토콜에 전달된 패킷.";
    "Ip.OutRequests", "packets", "RFC 1213 ipOutRequests; net/ipv4/ip_output.c __ip_local_out()",
        "Packets that this host's own protocols asked to send; forwarded ones are not in it.",
        "이 호스트의 프로토콜이 보내려 한 패킷. 포워딩은 제외한다.";
    "Ip.OutDiscards", "packets", "RFC 1213 ipOutDiscards; net/ipv4/ip_output.c",
        "Faultless packets dropped on the way out.",
        "나가는 길에 버려진 정상 패킷.";
    "Ip.OutNoRoutes", "packets", "RFC 1213 ipOutNoRoutes; net/ipv4/ip_output.c, route.c",
        "Packets for which there was no route.",
        "경로가 없어 보내지 못한 패킷.";
    "Ip.ReasmTimeout", "packets", "RFC 1213 ipReasmTimeout; net/ipv4/ip_fragment.c ip_expire()",
        "Fragments thrown away because the rest did not come in time.",
        "나머지가 제때 오지 않아 버려진 조각.";
    "Ip.ReasmReqds", "packets", "RFC 1213 ipReasmReqds; net/ipv4/ip_fragment.c ip_defrag()",
        "Fragments received that had to be put together.",
        "재조립이 필요한 수신 조각.";
    "Ip.ReasmOKs", "packets", "RFC 1213 ipReasmOKs; net/ipv4/ip_fragment.c ip_frag_reasm()",
        "Packets put together from fragments.",
        "조각에서 재조립한 패킷.";
    "Ip.ReasmFails", "packets", "RFC 1213 ipReasmFails; net/ipv4/ip_fragment.c",
        "Fragments that could not be put together: lost, late, or too many.",
        "유실, 지연, 초과 등으로 재조립하지 못한 조각.";
    "Ip.FragOKs", "packets", "RFC 1213 ipFragOKs; net/ipv4/ip_output.c ip_do_fragment()",
        "Packets cut into fragments.",
        "조각으로 나눈 패킷.";
    "Ip.FragFails", "packets", "RFC 1213 ipFragFails; net/ipv4/ip_output.c ip_fragment()",
        "Packets too large to pass that may not be cut (DF): the start of path-MTU discovery.",
        "너무 크지만 DF가 설정되어 나눌 수 없는 패킷. 경로 MTU 탐색의 시작이다.";
    "Ip.FragCreates", "packets", "RFC 1213 ipFragCreates; net/ipv4/ip_output.c ip_do_fragment()",
        "Fragments made.",
        "만든 조각.";
    "IpExt.InNoRoutes", "packets", "net/ipv4/ip_input.c ip_rcv_finish_core()",
        "Packets received for which no route was found.",
        "경로를 찾지 못한 수신 패킷.";
    "IpExt.InTruncatedPkts", "packets", "net/ipv4/ip_input.c ip_rcv_core()",
        "Packets shorter than their header says.",
        "헤더에 적힌 길이보다 짧은 패킷.";
    "IpExt.InMcastPkts", "packets", "RFC 4293 ipSystemStatsInMcastPkts",
        "Multicast packets received.",
        "받은 멀티캐스트 패킷.";
    "IpExt.InBcastPkts", "packets", "RFC 4293 ipSystemStatsInBcastPkts",
        "Broadcast packets received.",
        "받은 브로드캐스트 패킷.";
    "IpExt.InOctets", "bytes", "RFC 4293 ipSystemStatsHCInOctets",
        "Bytes in IPv4 packets received.",
        "받은 IPv4 패킷의 바이트.";
    "IpExt.OutOctets", "bytes", "RFC 4293 ipSystemStatsHCOutOctets",
        "Bytes in IPv4 packets sent.",
        "보낸 IPv4 패킷의 바이트.";
    "IpExt.InCsumErrors", "packets", "net/ipv4/ip_input.c ip_rcv_core()",
        "Packets with a wrong IPv4 header checksum.",
        "IPv4 헤더 체크섬이 틀린 패킷.";
    "IpExt.InCEPkts", "packets", "RFC 3168; net/ipv4/ip_input.c ip_rcv_core()",
        "Packets that a router marked as having met congestion (ECN): direct proof of a full queue on the way to us.",
        "라우터가 혼잡을 표시(ECN)한 패킷. 우리 쪽으로 오는 길의 큐가 찼다는 직접 증거다.";
    "IpExt.InNoECTPkts", "packets", "RFC 3168; net/ipv4/ip_input.c ip_rcv_core()",
        "Packets that do not take part in ECN.",
        "ECN에 참여하지 않는 패킷.";
    "IpExt.InECT0Pkts", "packets", "RFC 3168; net/ipv4/ip_input.c ip_rcv_core()",
        "Packets that could be marked by ECN and were not.",
        "ECN 표시가 가능하지만 표시되지 않은 패킷.";
    "Icmp.InMsgs", "messages", "RFC 1213 icmpInMsgs; net/ipv4/icmp.c icmp_rcv()",
        "ICMP messages received.",
        "받은 ICMP 메시지.";
    "Icmp.InErrors", "messages", "RFC 1213 icmpInErrors; net/ipv4/icmp.c icmp_rcv()",
        "ICMP messages received that were faulty themselves.",
        "자체 오류가 있는 수신 ICMP 메시지.";
    "Icmp.InCsumErrors", "messages", "net/ipv4/icmp.c icmp_rcv()",
        "ICMP messages with a wrong checksum.",
        "체크섬이 틀린 ICMP 메시지.";
    "Icmp.InDestUnreachs", "messages", "RFC 1213 icmpInDestUnreachs; RFC 792 type 3",
        "“Destination unreachable” received. Contains our own, sent to ourselves when a neighbour does not answer, and “fragmentation needed”, which is path-MTU discovery at work.",
        "받은 Destination Unreachable. 이웃이 응답하지 않아 스스로에게 보낸 것과, 경로 MTU 탐색의 fragmentation needed도 포함한다.";
    "Icmp.InTimeExcds", "messages", "RFC 1213 icmpInTimeExcds; RFC 792 type 11",
        "“Time exceeded” received: a TTL ran out on the way, as traceroute wants it.",
        "받은 Time Exceeded. 도중에 TTL이 다 되었다. traceroute가 이용하는 메시지다.";
    "Icmp.InParmProbs", "messages", "RFC 1213 icmpInParmProbs; RFC 792 type 12",
        "“Parameter problem” received.",
        "받은 Parameter Problem.";
    "Icmp.InSrcQuenchs", "messages", "RFC 1213 icmpInSrcQuenchs; RFC 6633",
        "“Source quench” received; abolished, and ignored by Linux.",
        "받은 Source Quench. 폐지되었으며 리눅스는 무시한다.";
    "Icmp.InRedirects", "messages", "RFC 1213 icmpInRedirects; RFC 792 type 5",
        "“Redirect” received: a router knows a better first hop.",
        "받은 Redirect. 라우터가 더 나은 첫 홉을 알려준다.";
    "Icmp.InEchos", "messages", "RFC 1213 icmpInEchos; RFC 792 type 8", "Pings received.", "받은 ping 요청.";
    "Icmp.InEchoReps", "messages", "RFC 1213 icmpInEchoReps; RFC 792 type 0", "Answers to our pings.", "우리 ping에 대한 응답.";
    "Icmp.InTimestamps", "messages", "RFC 1213 icmpInTimestamps", "Timestamp requests received.", "받은 타임스탬프 요청.";
    "Icmp.InTimestampReps", "messages", "RFC 1213 icmpInTimestampReps", "Timestamp replies received.", "받은 타임스탬프 응답.";
    "Icmp.InAddrMasks", "messages", "RFC 1213 icmpInAddrMasks", "Address mask requests received.", "받은 주소 마스크 요청.";
    "Icmp.InAddrMaskReps", "messages", "RFC 1213 icmpInAddrMaskReps", "Address mask replies received.", "받은 주소 마스크 응답.";
    "Icmp.OutMsgs", "messages", "RFC 1213 icmpOutMsgs; net/ipv4/icmp.c icmp_out_count()", "ICMP messages sent.", "보낸 ICMP 메시지.";
    "Icmp.OutErrors", "messages", "RFC 1213 icmpOutErrors", "ICMP messages that could not be sent.", "보내지 못한 ICMP 메시지.";
    "Icmp.OutRateLimitGlobal", "messages", "net/ipv4/icmp.c icmpv4_global_allow(); icmp_msgs_per_sec", "ICMP messages withheld by the host-wide rate limit.", "호스트 전체 속도 제한으로 보내지 않은 ICMP 메시지.";
    "Icmp.OutRateLimitHost", "messages", "net/ipv4/icmp.c icmpv4_xrlim_allow(); icmp_ratelimit", "ICMP messages withheld by the rate limit for one destination (1 a second by default).", "목적지별 속도 제한(기본 초당 1개)으로 보내지 않은 ICMP 메시지.";
    "Icmp.OutDestUnreachs", "messages", "RFC 1213 icmpOutDestUnreachs; RFC 792 type 3", "“Destination unreachable” sent, also to ourselves when a neighbour does not answer.", "보낸 Destination Unreachable. 이웃이 응답하지 않을 때 스스로에게 보내는 것도 포함한다.";
    "Icmp.OutTimeExcds", "messages", "RFC 1213 icmpOutTimeExcds; RFC 792 type 11", "“Time exceeded” sent.", "보낸 Time Exceeded.";
    "Icmp.OutParmProbs", "messages", "RFC 1213 icmpOutParmProbs; RFC 792 type 12", "“Parameter problem” sent.", "보낸 Parameter Problem.";
    "Icmp.OutSrcQuenchs", "messages", "RFC 1213 icmpOutSrcQuenchs; RFC 6633", "“Source quench” sent; Linux sends none.", "보낸 Source Quench. 리눅스는 보내지 않는다.";
    "Icmp.OutRedirects", "messages", "RFC 1213 icmpOutRedirects; RFC 792 type 5", "“Redirect” sent.", "보낸 Redirect.";
    "Icmp.OutEchos", "messages", "RFC 1213 icmpOutEchos; RFC 792 type 8", "Pings sent.", "보낸 ping 요청.";
    "Icmp.OutEchoReps", "messages", "RFC 1213 icmpOutEchoReps; RFC 792 type 0", "Answers to pings.", "보낸 ping 응답.";
    "Icmp.OutTimestamps", "messages", "RFC 1213 icmpOutTimestamps", "Timestamp requests sent.", "보낸 타임스탬프 요청.";
    "Icmp.OutTimestampReps", "messages", "RFC 1213 icmpOutTimestampReps", "Timestamp replies sent.", "보낸 타임스탬프 응답.";
    "Icmp.OutAddrMasks", "messages", "RFC 1213 icmpOutAddrMasks", "Address mask requests sent.", "보낸 주소 마스크 요청.";
    "Icmp.OutAddrMaskReps", "messages", "RFC 1213 icmpOutAddrMaskReps", "Address mask replies sent.", "보낸 주소 마스크 응답.";
    "Udp.InDatagrams", "datagrams", "RFC 1213 udpInDatagrams; net/ipv4/udp.c", "UDP datagrams delivered.", "전달된 UDP 데이터그램.";
    "Udp.NoPorts", "datagrams", "RFC 1213 udpNoPorts; net/ipv4/udp.c", "UDP datagrams to ports where nobody listens.", "듣는 프로그램이 없는 포트로 온 UDP 데이터그램.";
    "Udp.InErrors", "datagrams", "RFC 1213 udpInErrors; net/ipv4/udp.c", "UDP datagrams that could not be delivered; full receive buffers (RcvbufErrors) are in it.", "전달하지 못한 UDP 데이터그램. 수신 버퍼 부족(RcvbufErrors)도 포함한다.";
    "Udp.OutDatagrams", "datagrams", "RFC 1213 udpOutDatagrams; net/ipv4/udp.c", "UDP datagrams sent.", "보낸 UDP 데이터그램.";
    "Udp.RcvbufErrors", "datagrams", "net/ipv4/udp.c __udp_queue_rcv_skb()", "UDP datagrams dropped because the socket's receive buffer was full.", "소켓 수신 버퍼가 가득 차 버려진 UDP 데이터그램.";
    "Udp.SndbufErrors", "datagrams", "net/ipv4/udp.c udp_sendmsg()", "UDP datagrams not sent because a send buffer was full.", "송신 버퍼가 가득 차 보내지 못한 UDP 데이터그램.";
    "Udp.InCsumErrors", "datagrams", "net/ipv4/udp.c", "UDP datagrams with a wrong checksum.", "체크섬이 틀린 UDP 데이터그램.";
}
