//! The help in Korean. The English stands in `args.rs`, where clap wants it; a test finds what lacks its Korean here.

use clap::{Arg, ArgAction, Command};

/// English and Korean, in the order of `args.rs`.
const TEXTS: &[(&str, &str)] = &[
    (
        "Tells whether this host's TCP is healthy, and if not: what is wrong, who is responsible, what to do",
        "이 호스트의 TCP가 건강한지, 아니라면 무엇이 문제이고 누구 책임이며 어떻게 할지 알려 준다",
    ),
    ("When to use colours; without this also NO_COLOR decides", "색을 쓸 때. 지정하지 않으면 NO_COLOR도 따른다"),
    (
        "Language of sentences: without this LC_ALL, LC_MESSAGES, LANG decide, for text only",
        "문장의 언어. 지정하지 않으면 텍스트 출력만 LC_ALL, LC_MESSAGES, LANG을 따른다",
    ),
    ("The verdict on this host", "이 호스트의 판정"),
    (
        "The verdict on this host.\n\nExit status: 0 nothing above info, 1 a warning, 2 a critical finding, 3 the host could \
         not be judged.",
        "이 호스트의 판정.\n\n종료 상태: 0 info를 넘는 진단 없음, 1 warning, 2 critical, 3 판정하지 못함.",
    ),
    (
        "Time between the two looks: 30s, 2m, 1m30s; a bare number is seconds; 5 s unless given, or what was recorded",
        "두 관찰 사이의 시간: 30s, 2m, 1m30s. 숫자만 쓰면 초. 기본은 5초, 기록에서는 기록된 간격",
    ),
    (
        "Judge a directory that `check --save` wrote, a moment of a recording, or a file of sysstat's",
        "`check --save`가 남긴 디렉터리, 기록의 한 시점, sysstat 파일 가운데 하나를 판정한다",
    ),
    (
        "Judge this moment of a recording or of a file of sysstat's: '2026-11-21 03:00', 'yesterday 03:00', -2h; local time unless UTC stands behind it",
        "기록이나 sysstat 파일의 이 시점을 판정한다: '2026-11-21 03:00', 'yesterday 03:00', -2h. 뒤에 UTC가 없으면 현지 시각",
    ),
    (
        "Keep what the kernel says, second by second, so that any past moment can be judged",
        "커널이 말하는 것을 초 단위로 기록해, 지난 어느 시점이든 판정할 수 있게 한다",
    ),
    (
        "Where to keep it; /var/lib/tcphealth for root, else ~/.local/state/tcphealth unless given",
        "기록할 곳. 기본은 root면 /var/lib/tcphealth, 아니면 ~/.local/state/tcphealth",
    ),
    (
        "Read a directory that `check --save` wrote, or a moment of a recording",
        "`check --save`가 남긴 디렉터리나 기록의 한 시점을 읽는다",
    ),
    (
        "Show this moment of a recording: '2026-11-21 03:00', 'yesterday 03:00', -2h; local time unless UTC stands behind it",
        "기록의 이 시점을 보여 준다: '2026-11-21 03:00', 'yesterday 03:00', -2h. 뒤에 UTC가 없으면 현지 시각",
    ),
    (
        "What changed between two ranges of a recording, the most unusual first",
        "기록의 두 구간 사이에 달라진 것을 이례적인 것부터 보여 준다",
    ),
    (
        "What changed between two ranges of a recording, the most unusual first.\n\nCounters are followed from sample to \
         sample. Of the looks at the sockets sixty in each range are counted and six judged, so that a finding which lasted for \
         less than a sixth of a range may be missed: why RULE --timeline judges every look of an hour.\n\nExit status: 0 nothing unusual, 1 \
         something is, 3 there is nothing to compare.",
        "기록의 두 구간 사이에 달라진 것을 이례적인 것부터 보여 준다.\n\n카운터는 모든 표본을 따라간다. 소켓은 구간마다 예순 번의 \
         관찰을 세고 그중 여섯 번을 판정하므로, 구간의 6분의 1보다 짧은 문제는 빠질 수 있다. why RULE --timeline은 한 시간의 관찰을 모두 판정한다.\n\n종료 상태: 0 이례적인 변화 없음, 1 있음, 3 비교할 기록이 없음.",
    ),
    (
        "The first range: 'yesterday 03:00..04:00', or the time when it ended; a day before the second unless given",
        "첫째 구간: 'yesterday 03:00..04:00', 또는 구간이 끝난 시각. 기본은 둘째 구간의 하루 전",
    ),
    ("The second range; what ends now unless given", "둘째 구간. 기본은 지금 끝나는 구간"),
    (
        "Length of a range that is given by its end; an hour unless given, or as long as the other",
        "끝난 시각으로 지정한 구간의 길이. 기본은 한 시간 또는 다른 구간과 같은 길이",
    ),
    (
        "Take files of sysstat's into the recording, so that memory reaches back before the installation",
        "sysstat 파일을 기록에 넣어, 설치하기 전까지 거슬러 볼 수 있게 한다",
    ),
    (
        "Files of sysstat's, or directories of them (sa01 to sa31, saYYYYMMDD)",
        "sysstat 파일, 또는 그 파일이 든 디렉터리(sa01~sa31, saYYYYMMDD)",
    ),
    (
        "The recording; the usual place unless given. While a recorder writes there, nobody else can",
        "기록이 있는 곳. 지정하지 않으면 기본 위치. 기록기가 쓰는 동안에는 넣을 수 없음",
    ),
    ("Judge a recording moment after moment", "기록을 시점마다 차례로 판정한다"),
    (
        "Tell retransmissions and drops with the calls in the kernel that led to them",
        "재전송과 버린 패킷을 거기에 이른 커널의 호출 경로와 함께 알린다",
    ),
    (
        "Draw it again and again, with how many sockets move along each line a second; every second unless a time is given",
        "되풀이해 그리고 선마다 초당 몇 개의 소켓이 옮겨 가는지 적는다. 간격을 주지 않으면 1초마다",
    ),
    ("The recording; the usual place unless given", "기록이 있는 곳. 지정하지 않으면 기본 위치"),
    (
        "The first moment: '2026-11-21 03:00', 'yesterday 03:00', -2h; local time unless UTC stands behind it",
        "첫 시점: '2026-11-21 03:00', 'yesterday 03:00', -2h. 뒤에 UTC가 없으면 현지 시각",
    ),
    ("The last moment; now unless given", "마지막 시점. 기본은 지금"),
    ("Time between two moments", "두 시점 사이의 시간"),
    (
        "Length of the window that is judged at each; what was recorded unless given",
        "시점마다 판정할 구간의 길이. 기본은 기록된 간격",
    ),
    ("How to print it: a line a moment, or a report a line", "출력 형식: 시점마다 한 줄, 또는 한 줄에 보고서 하나"),
    ("Time between two looks at the counters", "카운터를 보는 간격"),
    (
        "Time between two looks at the sockets; grows by itself when they cost too much",
        "소켓을 보는 간격. 비용이 크면 스스로 늘린다",
    ),
    ("Stop after this time", "이 시간이 지나면 멈춘다"),
    (
        "Two looks at everything, the time of --census apart, and stop: for cron",
        "--census 간격으로 전체를 두 번 보고 멈춘다: cron용",
    ),
    ("Keep no more days than this", "보관할 최대 일수"),
    (
        "Keep no more than this: a number of bytes, or with k, M or G behind it",
        "보관할 최대 크기: 바이트 수, 또는 뒤에 k, M, G",
    ),
    (
        "Record another network namespace: a name of ip-netns(8), or the id of a process in it",
        "다른 네트워크 네임스페이스를 기록한다: ip-netns(8)의 이름 또는 그 안에 있는 프로세스의 pid",
    ),
    (
        "Look into another network namespace: a name of ip-netns(8), or the id of a process in it",
        "다른 네트워크 네임스페이스를 본다: ip-netns(8)의 이름 또는 그 안에 있는 프로세스의 pid",
    ),
    (
        "Look into another network namespace: a name of ip-netns(8), a service or container, or the id of a process in it; check also looks into all",
        "다른 네트워크 네임스페이스를 본다: ip-netns(8)의 이름, 서비스나 컨테이너, 또는 그 안에 있는 프로세스의 pid. check는 all로 전부 본다",
    ),
    ("How to print the report", "보고서 출력 형식"),
    (
        "Probe the paths to the peers that lose or are silent, each hop so often (40 unless given), about once a second",
        "손실이 있거나 조용한 상대까지의 경로를 탐침한다. 홉마다 이 횟수만큼(기본 40), 약 1초에 한 번",
    ),
    (
        "Listen to the kernel's own events in the window, of this length if it is given: who opens, closes and fails to connect, \
         exactly (CAP_BPF and CAP_PERFMON)",
        "관찰 구간 동안 커널의 이벤트를 센다. 시간을 주면 그만큼 관찰한다. 누가 연결을 열고 닫고 실패하는지 정확히 안다(CAP_BPF와 CAP_PERFMON 필요)",
    ),
    (
        "Keep everything that is read, to judge it again with --from",
        "읽은 것을 모두 남겨 --from으로 다시 판정할 수 있게 한다",
    ),
    (
        "Judge again and again, one line a window of this length; counts of losses fade with a half-life of a minute",
        "이 길이의 구간마다 한 줄씩 계속 판정한다. 손실 집계는 1분마다 절반으로 줄어든다",
    ),
    ("Windows of --every, then stop", "--every의 구간 수. 다 채우면 멈춘다"),
    ("Give up after this time, with exit status 3", "이 시간이 지나면 종료 상태 3으로 그만둔다"),
    (
        "One rule's findings with all their evidence, or why there is none",
        "규칙 하나의 진단과 모든 근거, 없으면 그 이유",
    ),
    ("A rule's id, or a finding's (`rule@subject`)", "규칙의 id 또는 진단의 id(`rule@subject`)"),
    (
        "When it began, how it changed and when it ended in a recording, from --since until --at or now",
        "기록에서 언제 시작되어 어떻게 바뀌고 언제 끝났는지, --since부터 --at이나 지금까지",
    ),
    ("Where the timeline begins; a day before its end unless given", "시작 시점. 기본은 끝에서 하루 전"),
    ("Which hop on the way to a peer loses or delays packets", "상대까지 가는 길에서 어느 홉이 패킷을 잃거나 늦추는지"),
    ("The TCP state diagram, with the sockets in each state", "TCP 상태도와 상태별 소켓 수"),
    ("How to print them", "출력 형식"),
    ("The socket table, filtered with ss's words and grouped", "ss의 필터 낱말로 고르고 묶은 소켓 표"),
    (
        "Which: state NAME, exclude NAME, sport, dport, src, dst with = != < > <= >=, and, or, not, brackets",
        "대상: state 이름, exclude 이름, sport, dport, src, dst와 = != < > <= >=, and, or, not, 괄호",
    ),
    (
        "Count them by what they have in common; by netns, those of all namespaces are counted unless --netns names one",
        "공통점으로 묶어 센다. netns로 묶으면 --netns로 하나를 지정하지 않는 한 모든 네임스페이스를 센다",
    ),
    ("Tell of each group, beside how many they are", "그룹마다 개수와 함께 보일 것"),
    ("Bytes received and not read, in sum", "받았으나 읽지 않은 바이트의 합"),
    ("Bytes not acknowledged, in sum", "ACK를 받지 못한 바이트의 합"),
    ("Segments retransmitted in the sockets' lives, in sum", "소켓이 생긴 뒤 재전송한 세그먼트의 합"),
    ("Smoothed round-trip time, the mean of those that have one", "평활 왕복 시간. 측정된 소켓들의 평균"),
    (
        "Largest first: recv_q, send_q, sockets or a field of tcp_info; or by state, local, remote",
        "큰 것부터: recv_q, send_q, sockets, tcp_info의 필드. 또는 state, local, remote 순서",
    ),
    (
        "What happens to connections now: retransmissions, resets, failed connects, lives, state changes, drops",
        "지금 연결에 일어나는 일: 재전송, RST, 실패한 connect, 연결의 일생, 상태 변화, 버린 패킷",
    ),
    (
        "What happens to connections now: retransmissions, resets, failed connects, lives, state changes, drops.\n\nIt needs \
         CAP_BPF and CAP_PERFMON, which root has; without them anybody hears lives, and CAP_NET_RAW resets. Exit status: 0 \
         done, 1 not permitted or not possible here.",
        "지금 연결에 일어나는 일: 재전송, RST, 실패한 connect, 연결의 일생, 상태 변화, 버린 패킷.\n\nCAP_BPF와 \
         CAP_PERFMON이 필요하다(root에는 있음). 없으면 life는 누구나, reset은 CAP_NET_RAW로 본다. 종료 상태: 0 끝남, 1 권한이 없거나 이 호스트에서 할 수 없음.",
    ),
    (
        "One of retransmit, reset, connect, life, state, drop (the first four unless given); then which sockets, in the \
         words of `sockets`",
        "retransmit, reset, connect, life, state, drop 가운데 하나(기본은 앞의 넷). 그 뒤에 `sockets`의 필터 낱말로 소켓을 고른다",
    ),
    (
        "Only the counts at the end; as long as no filter is given nothing else leaves the kernel",
        "끝에 집계만 낸다. 필터가 없으면 커널 밖으로 나오는 것은 집계뿐이다",
    ),
    ("Stop after this many events", "이벤트가 이만큼 나오면 멈춘다"),
    ("Stop after this time; without it Ctrl-C does", "이 시간이 지나면 멈춘다. 없으면 Ctrl-C로 멈춘다"),
    ("How to print: a line an event, or an object a line", "출력 형식: 이벤트마다 한 줄, 또는 한 줄에 객체 하나"),
    ("No more lines than this", "최대 줄 수"),
    ("Name the process that holds each socket", "소켓마다 가진 프로세스를 표시한다"),
    (
        "What can be seen on this host, with which privilege, and what is missing",
        "이 호스트에서 볼 수 있는 것, 필요한 권한, 빠진 것",
    ),
    ("How to print it", "출력 형식"),
    (
        "What a word means: a rule, a TCP state, a column of sar, a kernel counter, a remedy; alone, all of them",
        "낱말의 뜻: 규칙, TCP 상태, sar의 열, 커널 카운터, 처방. 낱말이 없으면 전체 목록",
    ),
    ("The word, however the kernel, ss, nstat or sar spells it", "낱말. 커널, ss, nstat, sar의 어느 표기든 된다"),
    (
        "Keep the program that reads many sockets loaded in the kernel (eBPF), so that a look need not load it",
        "많은 소켓을 읽는 프로그램을 커널에 남겨(eBPF), 볼 때마다 올리지 않게 한다",
    ),
    (
        "Keep the program that reads many sockets loaded in the kernel (eBPF), so that a look need not load it.\n\nIt stays in \
         /sys/fs/bpf/tcphealth, is used by every later run of this version on this kernel, and takes 3 MB.",
        "많은 소켓을 읽는 프로그램을 커널에 남겨(eBPF), 볼 때마다 올리지 않게 한다.\n\n/sys/fs/bpf/tcphealth에 남아 이 커널에서 이 \
         버전의 다음 실행들이 쓰며, 3 MB를 차지한다.",
    ),
    ("Take out of the kernel what `pin` left there", "`pin`이 커널에 남긴 것을 없앤다"),
    ("The catalogue of rules with their limits", "규칙과 한계값의 목록"),
    (
        "The peer: HOST, HOST:PORT or [IPv6]:PORT; port 443 unless given (UDP: 33434)",
        "상대: HOST, HOST:PORT, [IPv6]:PORT. 포트는 기본 443 (UDP는 33434)",
    ),
    ("Probe with UDP datagrams instead", "UDP 데이터그램으로 탐침한다"),
    (
        "Probe with echo requests instead (net.ipv4.ping_group_range must admit the group)",
        "에코 요청으로 탐침한다 (net.ipv4.ping_group_range가 그룹을 허용해야 함)",
    ),
    (
        "Walk this many flows (source ports): shows the branches where routers balance load",
        "이만큼의 흐름(출발 포트)을 따라간다: 라우터가 부하를 나누는 갈래가 보인다",
    ),
    ("Probes a hop", "홉마다 보낼 탐침 수"),
    (
        "Time between two probes with the same TTL; routers limit their replies to one a second",
        "같은 TTL의 두 탐침 사이 시간. 라우터는 응답을 초당 하나로 제한한다",
    ),
    ("The highest TTL to try", "시도할 가장 큰 TTL"),
    ("Stop after this time, whatever --count says", "--count와 상관없이 이 시간 뒤에 멈춘다"),
    ("Look up the names of the hops", "홉의 이름을 찾는다"),
    (
        "Name the autonomous systems of the hops by this table: FIRST, LAST and NUMBER with tabs between, one range a line",
        "이 표로 홉의 자율 시스템(AS)을 표시한다: 한 줄에 한 범위, FIRST, LAST, NUMBER를 탭으로 구분",
    ),
    (
        "Also find the hop where full-sized packets die (with datagrams)",
        "최대 크기 패킷이 사라지는 홉도 찾는다 (데이터그램으로)",
    ),
    ("How to print the result", "출력 형식"),
    (
        "The network reports of sysstat's sar, live or from its files: sar's own options, columns and exit statuses",
        "sysstat sar의 네트워크 보고서, 실시간 또는 파일에서. 옵션, 열, 종료 상태가 sar와 같다",
    ),
    (
        "The same for programs, as sysstat's sadf writes them: sadf's own options, formats and exit statuses",
        "같은 내용을 프로그램용으로, sysstat sadf처럼 쓴다. 옵션, 형식, 종료 상태가 sadf와 같다",
    ),
    ("As sar(1) and sadf(1) say, such as: -n DEV,TCP,ETCP 5", "sar(1)와 sadf(1)에 나온 대로. 예: -n DEV,TCP,ETCP 5"),
    (
        "Replace addresses, host and process names, the same one always by the same: in what --save keeps, or what --from tells",
        "주소, 호스트 이름, 프로세스 이름을 바꾼다. 같은 것은 언제나 같은 것으로: --save가 남기는 것 또는 --from이 말하는 것에서",
    ),
    (
        "What the counters say since boot, as context only: never a verdict, and no finding above info",
        "부팅 이후의 카운터가 말하는 것. 참고용일 뿐 판정이 아니며 info를 넘는 진단은 없다",
    ),
    (
        "Which hop on the way to a peer loses or delays packets.\n\nThe probes are SYNs to the service's own port and need no \
         privilege. A loss of 2 % needs 150 probes a hop: 2 min 38 s. Exit status: 0 nothing to blame, 1 a segment is blamed, \
         3 the path could not be probed.",
        "상대까지 가는 길에서 어느 홉이 패킷을 잃거나 늦추는지.\n\n서비스 포트로 보내는 SYN으로 탐침하며 권한이 필요 없다. 2 % 손실을 보려면 \
         홉마다 150번, 2분 38초가 걸린다. 종료 상태: 0 문제없음, 1 문제 구간을 찾음, 3 탐침하지 못함.",
    ),
    (super::EXAMPLES, EXAMPLES),
    (super::sockets::SOCKETS_EXAMPLES, SOCKETS_EXAMPLES),
    (super::WHY_EXAMPLES, WHY_EXAMPLES),
    (super::DIFF_EXAMPLES, DIFF_EXAMPLES),
    (super::IMPORT_EXAMPLES, IMPORT_EXAMPLES),
    (super::TRACE_EXAMPLES, TRACE_EXAMPLES),
];

const EXAMPLES: &str = "예:
  tcphealth                               6초 만에 이 호스트의 판정
  tcphealth check --window 30s --lang en  더 오래 보고 영어로 말하기
  tcphealth check --format nagios         모니터링 시스템용 한 줄
  tcphealth check --netns all             모든 네임스페이스, 가장 나쁜 곳부터
  tcphealth why close-wait-leak           진단 하나와 모든 근거
  tcphealth states                        상태도와 상태별 소켓 수
  tcphealth sockets state close-wait --by process
  tcphealth sockets --by peer --with total_retrans,rtt --sort total_retrans
  tcphealth trace life dport = :5432      끝나는 DB 연결의 길이와 바이트
  tcphealth path 203.0.113.9:443          경로의 홉마다 응답 시간과 손실
  tcphealth explain retrans/s             낱말의 뜻: 규칙, 상태, 열, 카운터
  tcphealth sar -n TCP,ETCP --judge 5     sar와 같은 보고서, 표본마다 판정
  tcphealth check --from /var/log/sysstat/sa21 --at '2026-11-21 03:00'
";

const DIFF_EXAMPLES: &str = "예:
  tcphealth diff                    최근 한 시간과 어제 같은 시간
  tcphealth diff -2h                최근 한 시간과 두 시간 전에 끝난 한 시간
  tcphealth diff -20m --window 10m  최근 10분과 20분 전에 끝난 10분
  tcphealth diff 'yesterday 03:00..04:00' 03:00..04:00
";

const SOCKETS_EXAMPLES: &str = "예:
  tcphealth sockets state close-wait --by process
  tcphealth sockets state time-wait and dst 10.0.0.0/8 --by destination
  tcphealth sockets '( dport = :443 or dport = :80 ) and not dst 192.0.2.0/24'
  tcphealth sockets --sort total_retrans --limit 5 --format json
  tcphealth sockets --at 'yesterday 03:00' --by state,listener
  tcphealth sockets --by netns,state       모든 네트워크 네임스페이스의 소켓
";

const IMPORT_EXAMPLES: &str = "예:
  tcphealth import /var/log/sysstat
  tcphealth import --store /tmp/host-7 host-7/sa20 host-7/sa21
";

const WHY_EXAMPLES: &str = "예:
  tcphealth why close-wait-leak
  tcphealth why close-wait-leak@pid:4711 --at 'yesterday 03:00'
  tcphealth why retransmit-remote --timeline --since -8h
";

const TRACE_EXAMPLES: &str = "예:
  tcphealth trace                  재전송, RST, connect, 연결의 일생
  tcphealth trace retransmit dst 10.0.0.0/8
  tcphealth trace life sport = :443 --format json --duration 1m
  tcphealth trace state --summary  Ctrl-C까지 상태 변화의 횟수만
";

/// Headings, and the sentence of the flags that clap makes itself.
const TEMPLATE: &str = "{before-help}{about-with-newline}\n사용법: {usage}\n\n{all-args}{after-help}";

fn korean(english: &str) -> Option<&'static str> {
    TEXTS.iter().find(|(known, _)| *known == english).map(|(_, korean)| *korean)
}

/// The same command line, explained in Korean.
pub(super) fn translated(mut command: Command) -> Command {
    if let Some(about) = command.get_about().and_then(|about| korean(&about.to_string())) {
        let long = command.get_long_about().and_then(|long| korean(&long.to_string()));
        command = command.about(about).long_about(long);
    }
    if let Some(examples) = command.get_after_help().and_then(|examples| korean(&examples.to_string())) {
        command = command.after_help(examples);
    }
    let helps: Vec<(clap::Id, &str)> = command
        .get_arguments()
        .filter_map(|arg| Some((arg.get_id().clone(), korean(&arg.get_help()?.to_string())?)))
        .collect();
    for (id, help) in helps {
        command = command.mut_arg(id, |arg| {
            // clap explains each possible value in its own English: the names alone need no translation.
            let values = arg.get_possible_values();
            if values.is_empty() || !arg.get_action().takes_values() {
                return arg.help(help).long_help(None);
            }
            let names: Vec<&str> = values.iter().map(clap::builder::PossibleValue::get_name).collect();
            let help = format!("{help} [가능한 값: {}]", names.join(", "));
            arg.help(help).long_help(None).hide_possible_values(true)
        });
    }
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        command = command.mut_subcommand(name, translated);
    }
    with_flags(command).help_template(TEMPLATE).subcommand_help_heading("명령").disable_help_subcommand(true)
}

/// The flags that clap adds by itself, explained in Korean.
fn with_flags(mut command: Command) -> Command {
    let flag = |id, short, action, help| Arg::new(id).short(short).long(id).action(action).help(help);
    if !command.is_disable_help_flag_set() {
        let help = flag("help", 'h', ArgAction::Help, "도움말. -h는 짧게");
        command = command.disable_help_flag(true).arg(help.display_order(super::LAST + 1));
    }
    if command.get_version().is_some() {
        let version = flag("version", 'V', ArgAction::Version, "버전");
        command = command.disable_version_flag(true).arg(version.display_order(super::LAST + 2));
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn lacking(command: &Command, found: &mut Vec<String>) {
        let arguments = command.get_arguments().flat_map(|arg| [arg.get_help(), arg.get_long_help()]);
        let own = [command.get_about(), command.get_long_about(), command.get_after_help()];
        let helps = arguments.chain(own).flatten();
        let made_by_clap = ["Print help", "Print version"];
        found.extend(
            helps.map(ToString::to_string).filter(|english| {
                korean(english).is_none() && !made_by_clap.iter().any(|made| english.starts_with(made))
            }),
        );
        command.get_subcommands().for_each(|sub| lacking(sub, found));
    }

    #[test]
    fn every_help_text_has_its_korean() {
        let mut found = Vec::new();
        lacking(&super::super::Line::command(), &mut found);
        assert!(found.is_empty(), "without Korean in args/korean.rs: {found:#?}");
    }

    #[test]
    fn examples_fit_a_terminal_of_80_columns() {
        for (english, korean) in TEXTS.iter().filter(|(english, _)| english.starts_with("Examples:")) {
            assert_eq!(english.lines().count(), korean.lines().count(), "{korean}");
            for line in english.lines().chain(korean.lines()) {
                assert!(unicode_width::UnicodeWidthStr::width(line) <= 80, "{line}");
            }
        }
    }

    #[test]
    fn the_translated_command_line_is_sound() {
        translated(super::super::Line::command()).debug_assert();
    }

    #[test]
    fn help_is_told_in_korean() {
        let text = translated(super::super::Line::command()).render_long_help().to_string();
        assert!(text.contains("사용법: tcphealth") && text.contains("이 호스트의 판정"), "{text}");
        assert!(!text.contains("The verdict on this host") && !text.contains("Print "), "{text}");
    }
}
