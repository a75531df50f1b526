//! `/proc/net/snmp6`. Source: RFC 4293, RFC 2466, net/ipv6/proc.c. TCP counts both families in `Tcp:` and has no rows here.

use super::rows;

rows! { COUNTERS, Counter, Namespace;
    "Ip6InReceives", "packets", "RFC 4293; net/ipv6/ip6_input.c ip6_rcv_core()",
        "IPv6 packets received, with errors too.",
        "받은 IPv6 패킷(오류 포함).";
    "Ip6InHdrErrors", "packets", "RFC 4293; net/ipv6/ip6_input.c",
        "IPv6 packets dropped for a bad header, or forwarded ones whose hop limit ran out.",
        "헤더가 잘못되었거나, 포워딩 중 hop limit이 다 되어 버려진 IPv6 패킷.";
    "Ip6InTooBigErrors", "packets", "RFC 4293; net/ipv6/ip6_output.c ip6_forward()",
        "Packets not forwarded because they were larger than the next link takes: answered with “packet too big”.",
        "다음 링크의 MTU보다 커서 포워딩하지 못하고 Packet Too Big으로 응답한 패킷.";
    "Ip6InNoRoutes", "packets", "RFC 4293; net/ipv6/route.c ip6_pkt_drop()",
        "IPv6 packets received for which there was no route.",
        "경로가 없는 수신 IPv6 패킷.";
    "Ip6InAddrErrors", "packets", "RFC 4293; net/ipv6/route.c ip6_pkt_drop()",
        "IPv6 packets whose destination is not valid here.",
        "목적지 주소가 이 호스트에서 유효하지 않은 IPv6 패킷.";
    "Ip6InUnknownProtos", "packets", "RFC 4293; net/ipv6/ip6_input.c ip6_protocol_deliver_rcu()",
        "IPv6 packets of a protocol that nobody here handles.",
        "이 호스트에서 처리할 프로토콜이 없는 IPv6 패킷.";
    "Ip6InTruncatedPkts", "packets", "RFC 4293; net/ipv6/ip6_input.c ip6_rcv_core()",
        "IPv6 packets shorter than their header says.",
        "헤더에 적힌 길이보다 짧은 IPv6 패킷.";
    "Ip6InDiscards", "packets", "RFC 4293; net/ipv6/ip6_input.c",
        "Faultless IPv6 packets dropped on the way in.",
        "들어오는 길에 버려진 정상 IPv6 패킷.";
    "Ip6InDelivers", "packets", "RFC 4293; net/ipv6/ip6_input.c",
        "IPv6 packets handed to TCP, UDP, ICMPv6 or another protocol.",
        "TCP, UDP, ICMPv6 등 상위 프로토콜에 전달된 IPv6 패킷.";
    "Ip6OutForwDatagrams", "packets", "RFC 4293; net/ipv6/ip6_output.c ip6_forward()",
        "IPv6 packets forwarded.",
        "포워딩한 IPv6 패킷.";
    "Ip6OutRequests", "packets", "RFC 4293; net/ipv6/ip6_output.c",
        "IPv6 packets that this host's own protocols asked to send.",
        "이 호스트의 프로토콜이 보내려 한 IPv6 패킷.";
    "Ip6OutDiscards", "packets", "RFC 4293; net/ipv6/ip6_output.c",
        "Faultless IPv6 packets dropped on the way out.",
        "나가는 길에 버려진 정상 IPv6 패킷.";
    "Ip6OutNoRoutes", "packets", "RFC 4293; net/ipv6/route.c ip6_pkt_drop()",
        "IPv6 packets to be sent for which there was no route.",
        "경로가 없어 보내지 못한 IPv6 패킷.";
    "Ip6ReasmTimeout", "packets", "RFC 4293; net/ipv6/reassembly.c",
        "IPv6 fragments thrown away because the rest did not come in time.",
        "나머지가 제때 오지 않아 버려진 IPv6 조각.";
    "Ip6ReasmReqds", "packets", "RFC 4293; net/ipv6/reassembly.c",
        "IPv6 fragments received that had to be put together.",
        "재조립이 필요한 수신 IPv6 조각.";
    "Ip6ReasmOKs", "packets", "RFC 4293; net/ipv6/reassembly.c",
        "IPv6 packets put together from fragments.",
        "조각에서 재조립한 IPv6 패킷.";
    "Ip6ReasmFails", "packets", "RFC 4293; net/ipv6/reassembly.c",
        "IPv6 fragments that could not be put together.",
        "재조립하지 못한 IPv6 조각.";
    "Ip6FragOKs", "packets", "RFC 4293; net/ipv6/ip6_output.c ip6_fragment()",
        "IPv6 packets cut into fragments.",
        "조각으로 나눈 IPv6 패킷.";
    "Ip6FragFails", "packets", "RFC 4293; net/ipv6/ip6_output.c ip6_fragment()",
        "IPv6 packets that could not be cut.",
        "나누지 못한 IPv6 패킷.";
    "Ip6FragCreates", "packets", "RFC 4293; net/ipv6/ip6_output.c ip6_fragment()",
        "IPv6 fragments made.",
        "만든 IPv6 조각.";
    "Ip6InMcastPkts", "packets", "RFC 4293; net/ipv6/ip6_input.c",
        "IPv6 multicast packets received.",
        "받은 IPv6 멀티캐스트 패킷.";
    "Ip6OutMcastPkts", "packets", "RFC 4293; net/ipv6/ip6_output.c",
        "IPv6 multicast packets sent.",
        "보낸 IPv6 멀티캐스트 패킷.";
    "Ip6InOctets", "bytes", "RFC 4293; net/ipv6/ip6_input.c",
        "Bytes in IPv6 packets received.",
        "받은 IPv6 패킷의 바이트.";
    "Ip6OutOctets", "bytes", "RFC 4293; net/ipv6/ip6_output.c",
        "Bytes in IPv6 packets sent.",
        "보낸 IPv6 패킷의 바이트.";
    "Ip6InCEPkts", "packets", "RFC 3168; net/ipv6/ip6_input.c ip6_rcv_core()",
        "IPv6 packets that a router marked as having met congestion (ECN).",
        "라우터가 혼잡을 표시(ECN)한 IPv6 패킷.";
    "Icmp6InMsgs", "messages", "RFC 2466; net/ipv6/icmp.c icmpv6_rcv()",
        "ICMPv6 messages received.",
        "받은 ICMPv6 메시지.";
    "Icmp6InErrors", "messages", "RFC 2466; net/ipv6/icmp.c icmpv6_rcv()",
        "ICMPv6 messages received that were faulty themselves.",
        "자체 오류가 있는 수신 ICMPv6 메시지.";
    "Icmp6OutMsgs", "messages", "RFC 2466; net/ipv6/icmp.c",
        "ICMPv6 messages sent.",
        "보낸 ICMPv6 메시지.";
    "Icmp6OutErrors", "messages", "RFC 2466; net/ipv6/icmp.c",
        "ICMPv6 messages that could not be sent.",
        "보내지 못한 ICMPv6 메시지.";
    "Icmp6InCsumErrors", "messages", "net/ipv6/icmp.c icmpv6_rcv()",
        "ICMPv6 messages with a wrong checksum.",
        "체크섬이 틀린 ICMPv6 메시지.";
    "Icmp6InDestUnreachs", "messages", "RFC 4443 type 1; net/ipv6/icmp.c",
        "“Destination unreachable” received.",
        "받은 Destination Unreachable.";
    "Icmp6OutDestUnreachs", "messages", "RFC 4443 type 1; net/ipv6/icmp.c",
        "“Destination unreachable” sent.",
        "보낸 Destination Unreachable.";
    "Icmp6InPktTooBigs", "messages", "RFC 4443 type 2; net/ipv6/icmp.c",
        "“Packet too big”, which path-MTU discovery needs, received.",
        "받은 Packet Too Big(경로 MTU 탐색에 필요).";
    "Icmp6OutPktTooBigs", "messages", "RFC 4443 type 2; net/ipv6/icmp.c",
        "“Packet too big”, which path-MTU discovery needs, sent.",
        "보낸 Packet Too Big(경로 MTU 탐색에 필요).";
    "Icmp6InTimeExcds", "messages", "RFC 4443 type 3; net/ipv6/icmp.c",
        "“Time exceeded” received.",
        "받은 Time Exceeded.";
    "Icmp6OutTimeExcds", "messages", "RFC 4443 type 3; net/ipv6/icmp.c",
        "“Time exceeded” sent.",
        "보낸 Time Exceeded.";
    "Icmp6InParmProblems", "messages", "RFC 4443 type 4; net/ipv6/icmp.c",
        "“Parameter problem” received.",
        "받은 Parameter Problem.";
    "Icmp6OutParmProblems", "messages", "RFC 4443 type 4; net/ipv6/icmp.c",
        "“Parameter problem” sent.",
        "보낸 Parameter Problem.";
    "Icmp6InEchos", "messages", "RFC 4443 type 128; net/ipv6/icmp.c",
        "IPv6 pings received.",
        "받은 IPv6 ping 요청.";
    "Icmp6OutEchos", "messages", "RFC 4443 type 128; net/ipv6/icmp.c",
        "IPv6 pings sent.",
        "보낸 IPv6 ping 요청.";
    "Icmp6InEchoReplies", "messages", "RFC 4443 type 129; net/ipv6/icmp.c",
        "Answers to IPv6 pings received.",
        "받은 IPv6 ping 응답.";
    "Icmp6OutEchoReplies", "messages", "RFC 4443 type 129; net/ipv6/icmp.c",
        "Answers to IPv6 pings sent.",
        "보낸 IPv6 ping 응답.";
    "Icmp6InGroupMembQueries", "messages", "RFC 2710 type 130; net/ipv6/icmp.c",
        "Multicast listener queries received.",
        "받은 멀티캐스트 리스너 질의.";
    "Icmp6OutGroupMembQueries", "messages", "RFC 2710 type 130; net/ipv6/icmp.c",
        "Multicast listener queries sent.",
        "보낸 멀티캐스트 리스너 질의.";
    "Icmp6InGroupMembResponses", "messages", "RFC 2710 type 131; net/ipv6/icmp.c",
        "Multicast listener reports received.",
        "받은 멀티캐스트 리스너 보고.";
    "Icmp6OutGroupMembResponses", "messages", "RFC 2710 type 131; net/ipv6/icmp.c",
        "Multicast listener reports sent.",
        "보낸 멀티캐스트 리스너 보고.";
    "Icmp6InGroupMembReductions", "messages", "RFC 2710 type 132; net/ipv6/icmp.c",
        "Multicast listener “done” messages received.",
        "받은 멀티캐스트 리스너 Done.";
    "Icmp6OutGroupMembReductions", "messages", "RFC 2710 type 132; net/ipv6/icmp.c",
        "Multicast listener “done” messages sent.",
        "보낸 멀티캐스트 리스너 Done.";
    "Icmp6InRouterSolicits", "messages", "RFC 4861 type 133; net/ipv6/icmp.c",
        "Router solicitations received.",
        "받은 라우터 요청(RS).";
    "Icmp6OutRouterSolicits", "messages", "RFC 4861 type 133; net/ipv6/icmp.c",
        "Router solicitations sent.",
        "보낸 라우터 요청(RS).";
    "Icmp6InRouterAdvertisements", "messages", "RFC 4861 type 134; net/ipv6/icmp.c",
        "Router advertisements received.",
        "받은 라우터 광고(RA).";
    "Icmp6OutRouterAdvertisements", "messages", "RFC 4861 type 134; net/ipv6/icmp.c",
        "Router advertisements sent.",
        "보낸 라우터 광고(RA).";
    "Icmp6InNeighborSolicits", "messages", "RFC 4861 type 135; net/ipv6/icmp.c",
        "Neighbour solicitations, IPv6's ARP request, received.",
        "받은 이웃 요청(NS, IPv6의 ARP 요청).";
    "Icmp6OutNeighborSolicits", "messages", "RFC 4861 type 135; net/ipv6/icmp.c",
        "Neighbour solicitations, IPv6's ARP request, sent.",
        "보낸 이웃 요청(NS, IPv6의 ARP 요청).";
    "Icmp6InNeighborAdvertisements", "messages", "RFC 4861 type 136; net/ipv6/icmp.c",
        "Neighbour advertisements, IPv6's ARP answer, received.",
        "받은 이웃 광고(NA, IPv6의 ARP 응답).";
    "Icmp6OutNeighborAdvertisements", "messages", "RFC 4861 type 136; net/ipv6/icmp.c",
        "Neighbour advertisements, IPv6's ARP answer, sent.",
        "보낸 이웃 광고(NA, IPv6의 ARP 응답).";
    "Icmp6InRedirects", "messages", "RFC 4861 type 137; net/ipv6/icmp.c",
        "“Redirect” received.",
        "받은 Redirect.";
    "Icmp6OutRedirects", "messages", "RFC 4861 type 137; net/ipv6/icmp.c",
        "“Redirect” sent.",
        "보낸 Redirect.";
    "Udp6InDatagrams", "datagrams", "RFC 4113; net/ipv6/udp.c",
        "UDP datagrams delivered over IPv6.",
        "IPv6로 전달된 UDP 데이터그램.";
    "Udp6NoPorts", "datagrams", "RFC 4113; net/ipv6/udp.c",
        "UDP datagrams over IPv6 to ports where nobody listens.",
        "듣는 프로그램이 없는 포트로 온 IPv6 UDP 데이터그램.";
    "Udp6InErrors", "datagrams", "RFC 4113; net/ipv6/udp.c",
        "UDP datagrams over IPv6 that could not be delivered.",
        "전달하지 못한 IPv6 UDP 데이터그램.";
    "Udp6OutDatagrams", "datagrams", "RFC 4113; net/ipv6/udp.c",
        "UDP datagrams sent over IPv6.",
        "IPv6로 보낸 UDP 데이터그램.";
    "Udp6RcvbufErrors", "datagrams", "net/ipv6/udp.c",
        "UDP datagrams over IPv6 dropped because the socket's receive buffer was full.",
        "소켓 수신 버퍼가 가득 차 버려진 IPv6 UDP 데이터그램.";
    "Udp6SndbufErrors", "datagrams", "net/ipv6/udp.c",
        "UDP datagrams over IPv6 not sent because a send buffer was full.",
        "송신 버퍼가 가득 차 보내지 못한 IPv6 UDP 데이터그램.";
}
