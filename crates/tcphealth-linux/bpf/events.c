// SPDX-License-Identifier: GPL-2.0 OR MIT OR Apache-2.0
//
// What happens to the TCP sockets of one network namespace: counted always; told one by one, or added up by process and by peer,
// where that is asked for.
//
// Each section is a program for the tracepoint of its name, attached by its type information (tp_btf): the verifier knows the
// types of the arguments, so members are read without calls. Counters are apart for each CPU, and a program does not interrupt
// itself (the kernel counts when it had to skip one), so they need no lock. What finds no room in the ring is counted as lost.

#define FIELDS "events.fields.h"
#include "kernel.h"

// Settings, in the order of the reader's.
#define NETNS SETTING(0)
#define STREAMED SETTING(1) // bits of the kinds to be told
#define CPU_MASK SETTING(2)
#define ARGUMENTS SETTING(3) // of this tracepoint on this kernel
#define TALLIED SETTING(4) // whether sums by process and by peer are kept
#define STACKED SETTING(5) // whether what was sent again or dropped is told with the calls that led there
#define ACCEPT SETTING(6) // the numbers of these system calls
#define ACCEPT4 SETTING(7)
#define NUMBER_AT SETTING(8) // where in struct pt_regs the number of a system call is
#define RING MAP(0)
#define BIRTHS MAP(1)
#define DOINGS MAP(2)
#define PEERS MAP(3)
#define QUEUES MAP(4)

enum kind { RETRANSMIT, RETRANSMIT_SYNACK, RESET_SENT, RESET_RECEIVED, STATE, CONNECT, LIFE, DROP };

// The counters of one CPU.
#define STATES 0 // by old × 16 + new
#define CONNECTS 256 // by errno; 0 is success
#define UNSENT 254 // no SYN left, and why is not known
#define GIVEN_UP 255 // closed by its program before an answer came
#define RESETS 512 // by enum sk_rst_reason
#define DROPS 640 // by enum skb_drop_reason
#define RETRANSMITTED 896 // segments
#define RETRANSMITTED_SYN 897
#define RETRANSMITTED_SYNACK 898
#define RETRANSMIT_FAILED 899
#define RESETS_RECEIVED 900
#define LOST 904 // by kind
#define FORGOTTEN 912
#define UNNAMED 913 // not added up by process, peer or queue: their tables were full
#define BLOCK 1024

struct record {
    u64 at_ns, birth_ns; // since boot
    u8 kind, from, to, pad;
    u32 number; // segments, reason, errno
    u16 local_port, remote_port;
    u32 pid;
    u32 local[4], remote[4]; // IPv4 mapped into IPv6, network order
    u64 comm[2];
    u64 bytes_acked, bytes_received;
    u32 srtt_us, total_retrans;
    u32 inode, uid;
};

#define STACK_DEPTH 24

struct stacked {
    struct record record;
    u64 stack[STACK_DEPTH]; // return addresses, the innermost first; 0 behind the last
};

// On which side of a connection we are.
enum side { UNKNOWN, CONNECTED, ACCEPTED };

// Where in its life a connection is whose listener has an accept queue.
enum queued { NOT_YET, QUEUED, TAKEN };

struct birth {
    u64 at_ns; // 0 when that was before we listened
    u64 close_wait_ns; // since when in CLOSE_WAIT; 0 when it is not
    u32 pid;
    u16 side, queued;
    u64 comm[2];
};

// Who did something, and with whom: the destination of connections that we made, the port of those that we accepted.
struct who {
    u32 pid; // 0 when not known
    u8 side, failure; // as CONNECTS
    u16 port;
    u32 address[4];
};

struct doing {
    u64 comm[2];
    u64 opened, opening_ns, opening_ns_max, retried;
    u64 ended, lives, lived_ns, time_wait;
    u64 close_waits, close_wait_ns, close_wait_ns_max;
    u64 aborted;
};

enum what { DATA_AGAIN, SYN_AGAIN, SYN_ACK_AGAIN, WE_RESET, THEY_RESET };

// What passed between us and a peer. The port is the one that does not change from connection to connection, 0 when not known.
struct whom {
    u32 address[4];
    u16 port;
    u8 what, reason;
    u32 pad;
};

// An accept queue, by the end of its connections that is ours.
struct place {
    u32 address[4];
    u16 port;
    u16 pad[3];
};

struct queue {
    u64 accepted, waited_ns, waited_ns_max;
    u64 waiting, arrived_ns; // in it now, and the sum of the moments when each of these came
    u64 ended; // before they were accepted
    u64 unseen; // accepted, but it was not seen when they came, or when that was
};

static void *(*const lookup)(void *map, const void *key) = (void *)1;
static long (*const update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static long (*const delete)(void *map, const void *key) = (void *)3;
static u32 (*const this_cpu)(void) = (void *)8;
static u64 (*const boot_ns)(void) = (void *)125;
static long (*const get_stack)(const void *context, void *to, u32 bytes, u64 flags) = (void *)67;
static void *(*const reserve)(void *ring, u64 bytes, u64 flags) = (void *)131;
static void (*const submit)(void *record, u64 flags) = (void *)132;
static const void *(*const tcp_sock)(const void *sk) = (void *)137;
static const void *(*const current_task)(void) = (void *)158;
#define BPF_ANY 0
#define BPF_NOEXIST 1
#define BPF_RB_NO_WAKEUP 1

#define AF_INET 2
#define AF_INET6 10
#define IPPROTO_TCP 6
#define TCPHDR_SYN 2
#define EADDRNOTAVAIL 99
enum { ESTABLISHED = 1, SYN_SENT, SYN_RECV, FIN_WAIT1, FIN_WAIT2, CLOSE = 7, CLOSE_WAIT, LAST_ACK, LISTEN, CLOSING };

#define INLINE static inline __attribute__((always_inline))
#define PROGRAM(tracepoint) __attribute__((section(#tracepoint), used)) int on_##tracepoint(const u64 *arguments)
#define ADDRESS(base, type, member) ((const char *)(base) + PLACE(type, member))
#define AT(as, base, type, member) (*(const as *)ADDRESS(base, type, member))

// What the compiler knows of this value it forgets: the verifier knows less, and wants each pointer tested on its own and each
// index bounded in place.
#define FORGET(value) asm volatile("" : "+r"(value))

INLINE void count(u64 which, u64 more)
{
    u64 *counters = (u64 *)SHARED + (this_cpu() & CPU_MASK) * BLOCK;
    FORGET(which);
    counters[which & (BLOCK - 1)] += more;
}

INLINE u32 inum(const void *net)
{
    return AT(u32, ADDRESS(net, net, ns), ns_common, inum);
}

INLINE int is_ours(const void *sk)
{
    return inum(AT(void *, sk, sock_common, skc_net)) == NETNS;
}

INLINE void set_ipv4(u32 *to, u32 address)
{
    to[0] = to[1] = 0;
    to[2] = 0xffff0000;
    to[3] = address;
}

INLINE void set_ipv6(u32 *to, const void *from)
{
    *(u64 *)to = *(const u64 *)from;
    *(u64 *)(to + 2) = *((const u64 *)from + 1);
}

// A record with nothing in it but what it is; what is not known stays 0.
INLINE struct record *new_record_of(u64 bytes, enum kind kind, u32 number)
{
    struct record *record = reserve(RING, bytes, 0);
    if (!record) {
        count(LOST + kind, 1);
        return 0;
    }
#pragma unroll
    for (u32 word = 0; word < sizeof(struct record) / 8; word++)
        ((u64 *)record)[word] = 0;
    record->at_ns = boot_ns();
    record->kind = kind;
    record->number = number;
    return record;
}

INLINE struct record *new_record(enum kind kind, u32 number)
{
    return new_record_of(sizeof(struct record), kind, number);
}

// The same with the calls that led to this tracepoint, where that is asked for.
INLINE struct record *new_record_here(const u64 *arguments, enum kind kind, u32 number)
{
    if (!STACKED)
        return new_record(kind, number);
    struct record *record = new_record_of(sizeof(struct stacked), kind, number);
    if (record)
        get_stack(arguments, ((struct stacked *)record)->stack, sizeof(u64) * STACK_DEPTH, 0);
    return record;
}

INLINE int is_streamed(enum kind kind)
{
    return STREAMED >> kind & 1;
}

INLINE void set_remote(u32 *to, const void *sk)
{
    if (AT(u16, sk, sock_common, skc_family) == AF_INET6)
        set_ipv6(to, ADDRESS(sk, sock_common, skc_v6_daddr));
    else
        set_ipv4(to, AT(u32, sk, sock_common, skc_daddr));
}

INLINE u16 remote_port(const void *sk)
{
    return __builtin_bswap16(AT(u16, sk, sock_common, skc_dport));
}

INLINE u16 local_port(const void *tp)
{
    return __builtin_bswap16(AT(u16, tp, inet_sock, inet_sport));
}

// The ends of any socket, also of one that is less than a tcp_sock.
INLINE void set_ends(struct record *record, const void *sk)
{
    record->from = record->to = AT(u8, sk, sock_common, skc_state);
    record->local_port = AT(u16, sk, sock_common, skc_num);
    record->remote_port = remote_port(sk);
    if (AT(u16, sk, sock_common, skc_family) == AF_INET6)
        set_ipv6(record->local, ADDRESS(sk, sock_common, skc_v6_rcv_saddr));
    else
        set_ipv4(record->local, AT(u32, sk, sock_common, skc_rcv_saddr));
    set_remote(record->remote, sk);
}

INLINE void set_owner(struct record *record, const void *sk)
{
    const void *socket = AT(void *, sk, sock, sk_socket);
    u64 inode = 0;
    record->uid = AT(u32, sk, sock, sk_uid);
    // The inode lies behind the socket, in what both are part of: the verifier does not know that.
    if (socket)
        inode = pointer_at((u64)ADDRESS(ADDRESS(socket, socket_alloc, vfs_inode), inode, i_ino));
    record->inode = inode;
}

INLINE u32 current_process(u64 *comm)
{
    const void *task = current_task();
    const void *name = ADDRESS(AT(void *, task, task_struct, group_leader), task_struct, comm);
    comm[0] = *(const u64 *)name;
    comm[1] = *((const u64 *)name + 1);
    return AT(u32, task, task_struct, tgid);
}

// Whether a process has the socket locked: then it is the one that runs.
INLINE int is_owned(const void *sk)
{
    return AT(u32, ADDRESS(sk, sock, sk_lock), socket_lock_t, owned);
}

INLINE u32 outcome(const void *sk, const void *tp)
{
    u32 error = AT(u32, sk, sock, sk_err);
    if (AT(u32, tp, tcp_sock, segs_out))
        return error ? error : GIVEN_UP;
    // A socket that was not even given a port.
    return AT(u16, tp, inet_sock, inet_sport) ? UNSENT : EADDRNOTAVAIL;
}

INLINE void remember(u64 key, u32 from)
{
    struct birth birth = {.at_ns = boot_ns(), .side = from == CLOSE ? CONNECTED : ACCEPTED};
    if (from == CLOSE)
        birth.pid = current_process(birth.comm);
    if (update(BIRTHS, &key, &birth, BPF_ANY))
        count(FORGOTTEN, 1);
}

INLINE void remember_close_wait(u64 key)
{
    struct birth *birth = lookup(BIRTHS, &key);
    if (birth) {
        birth->close_wait_ns = boot_ns();
        return;
    }
    struct birth unseen = {.close_wait_ns = boot_ns()};
    if (update(BIRTHS, &key, &unseen, BPF_ANY))
        count(FORGOTTEN, 1);
}

INLINE void add(u64 *sum, u64 more)
{
    __sync_fetch_and_add(sum, more);
}

// Two CPUs may do this at once: the smaller one may win, but not thrice in a row.
INLINE void raise(volatile u64 *largest, u64 value)
{
#pragma unroll
    for (int times = 0; times < 3; times++) {
        if (*largest < value)
            *largest = value;
    }
}

// The sums of a process; a table that is full keeps those that it has.
INLINE struct doing *doing_of(const struct who *who, const u64 *comm)
{
    struct doing *doing = lookup(DOINGS, who);
    if (doing)
        return doing;
    struct doing none = {.comm = {comm[0], comm[1]}};
    update(DOINGS, who, &none, BPF_NOEXIST);
    doing = lookup(DOINGS, who);
    if (!doing)
        count(UNNAMED, 1);
    return doing;
}

INLINE void add_peer(const struct whom *whom, u64 more)
{
    u64 *sum = lookup(PEERS, whom), none = 0;
    if (!sum) {
        update(PEERS, whom, &none, BPF_NOEXIST);
        sum = lookup(PEERS, whom);
    }
    if (sum)
        add(sum, more);
    else
        count(UNNAMED, 1);
}

// Reads from what the verifier does not know to be a structure.
#define PEEK(as, base, type, member) READ(as, (u64)(base) + PLACE(type, member))

// The queue in which a connection is, or was.
INLINE struct queue *queue_of(u64 sk)
{
    // What has ended has given its port back; where it was sent from still stands in the socket.
    struct place place = {.port = __builtin_bswap16(PEEK(u16, sk, inet_sock, inet_sport))};
    if (PEEK(u16, sk, sock_common, skc_family) == AF_INET6)
        probe_read_kernel(place.address, sizeof(place.address), sk + PLACE(sock_common, skc_v6_rcv_saddr));
    else
        set_ipv4(place.address, PEEK(u32, sk, sock_common, skc_rcv_saddr));
    struct queue *queue = lookup(QUEUES, &place);
    if (queue)
        return queue;
    struct queue none = {};
    update(QUEUES, &place, &none, BPF_NOEXIST);
    queue = lookup(QUEUES, &place);
    if (!queue)
        count(UNNAMED, 1);
    return queue;
}

// The kernel puts a connection into the queue when it makes its socket, before it is established.
INLINE void enqueue(u64 sk, struct birth *birth)
{
    struct queue *queue = birth->queued == NOT_YET ? queue_of(sk) : 0;
    if (!queue)
        return;
    birth->queued = QUEUED;
    add(&queue->waiting, 1);
    add(&queue->arrived_ns, birth->at_ns);
}

INLINE struct queue *dequeue(u64 sk, struct birth *birth)
{
    struct queue *queue = queue_of(sk);
    if (queue && birth->queued == QUEUED) {
        add(&queue->waiting, -1);
        add(&queue->arrived_ns, -birth->at_ns);
    }
    birth->queued = TAKEN;
    return queue;
}

// What a change of state adds to the sums of the process that made, or closes, the connection.
INLINE void tally(const void *sk, const void *tp, struct birth *known, u64 change)
{
    u32 from = change & 0xff, to = change >> 8 & 0xff, number = change >> 16;
    u64 now = boot_ns();
    struct birth birth = {};
    if (known)
        birth = *known;
    struct who who = {.pid = birth.pid, .side = birth.side};
    if (birth.side == CONNECTED) {
        who.port = remote_port(sk);
        set_remote(who.address, sk);
    } else if (birth.side == ACCEPTED) {
        who.port = local_port(tp);
    }
    if (from == SYN_SENT && to == CLOSE)
        who.failure = number;
    struct doing *doing = doing_of(&who, birth.comm);
    if (!doing)
        return;
    if (to == ESTABLISHED) {
        add(&doing->opened, 1);
        if (birth.at_ns) {
            add(&doing->opening_ns, now - birth.at_ns);
            raise(&doing->opening_ns_max, now - birth.at_ns);
        }
        if (AT(u32, tp, tcp_sock, total_retrans))
            add(&doing->retried, 1);
        return;
    }
    if (from == CLOSE_WAIT && birth.close_wait_ns) {
        add(&doing->close_waits, 1);
        add(&doing->close_wait_ns, now - birth.close_wait_ns);
        raise(&doing->close_wait_ns_max, now - birth.close_wait_ns);
    }
    if (to != CLOSE)
        return;
    add(&doing->ended, 1);
    if (birth.at_ns) {
        add(&doing->lives, 1);
        add(&doing->lived_ns, now - birth.at_ns);
    }
    // In order, the kernel keeps the rest of it: TIME_WAIT, or FIN_WAIT2 before that.
    if ((from == FIN_WAIT2 || from == CLOSING) && !number)
        add(&doing->time_wait, 1);
}

// A connection has been made, or has failed, or has ended.
INLINE void tell_life(enum kind kind, const void *sk, const void *tp, const struct birth *birth, u64 change)
{
    struct record *record = new_record(kind, change >> 16);
    if (!record)
        return;
    set_ends(record, sk);
    record->from = change & 0xff;
    record->to = change >> 8 & 0xff;
    record->local_port = local_port(tp);
    record->bytes_acked = AT(u64, tp, tcp_sock, bytes_acked);
    record->bytes_received = AT(u64, tp, tcp_sock, bytes_received);
    record->srtt_us = AT(u32, tp, tcp_sock, srtt_us);
    record->total_retrans = AT(u32, tp, tcp_sock, total_retrans);
    record->uid = AT(u32, sk, sock, sk_uid);
    if (birth) {
        record->birth_ns = birth->at_ns;
        record->pid = birth->pid;
        record->comm[0] = birth->comm[0];
        record->comm[1] = birth->comm[1];
    }
    submit(record, BPF_RB_NO_WAKEUP);
}

INLINE void follow(const void *sk, const void *tp, u32 from, u32 to, u32 number)
{
    u64 key = (u64)sk;
    if ((from == CLOSE && to == SYN_SENT) || (from == LISTEN && to == SYN_RECV)) {
        remember(key, from);
        return;
    }
    if (TALLIED && to == CLOSE_WAIT) {
        remember_close_wait(key);
        return;
    }
    u32 made = to == ESTABLISHED && (from == SYN_SENT || (TALLIED && from == SYN_RECV));
    u32 closes = is_owned(sk) && (to == FIN_WAIT1 || to == LAST_ACK || to == CLOSE);
    u32 ends = to == CLOSE || (TALLIED && from == CLOSE_WAIT);
    if (from == LISTEN || (!made && !closes && !ends))
        return;
    struct birth *birth = lookup(BIRTHS, &key);
    if (birth && !birth->pid && closes)
        birth->pid = current_process(birth->comm);
    if (TALLIED && birth && from == SYN_RECV && made)
        enqueue(key, birth);
    if (TALLIED && birth && !made && birth->queued == QUEUED) {
        // Without a file it was never accepted; with one, in a way that is not seen (io_uring).
        const void *socket = AT(void *, sk, sock, sk_socket);
        struct queue *queue = dequeue(key, birth);
        if (queue)
            add(socket ? &queue->unseen : &queue->ended, 1);
    }
    if (TALLIED && !birth && to == FIN_WAIT1 && closes) {
        struct birth unseen = {};
        unseen.pid = current_process(unseen.comm);
        if (update(BIRTHS, &key, &unseen, BPF_ANY))
            count(FORGOTTEN, 1);
    }
    if (!made && !ends)
        return;
    u64 change = (u64)number << 16 | to << 8 | from;
    if (TALLIED && !(from == SYN_RECV && to == CLOSE))
        tally(sk, tp, birth, change);
    if (birth && from == CLOSE_WAIT)
        birth->close_wait_ns = 0;
    if (from == SYN_SENT) {
        if (is_streamed(CONNECT))
            tell_life(CONNECT, sk, tp, birth, change);
    } else if (to == CLOSE && from != SYN_RECV && is_streamed(LIFE)) {
        tell_life(LIFE, sk, tp, birth, change);
    }
    if (to == CLOSE)
        delete(BIRTHS, &key);
}

PROGRAM(inet_sock_set_state)
{
    const void *sk = (const void *)arguments[0];
    u32 from = arguments[1] & 15, to = arguments[2] & 15, number = 0;
    const void *tp = tcp_sock(sk);
    if (!tp || !is_ours(sk))
        return 0;
    count(STATES + from * 16 + to, 1);
    if (to == CLOSE)
        number = from == SYN_SENT ? outcome(sk, tp) : AT(u32, sk, sock, sk_err);
    if (from == SYN_SENT && (to == CLOSE || to == ESTABLISHED))
        count(CONNECTS + (number & 255), 1);
    if (is_streamed(CONNECT) || is_streamed(LIFE) || TALLIED)
        follow(sk, tp, from, to, number);
    if (!is_streamed(STATE))
        return 0;
    struct record *record = new_record(STATE, number);
    if (!record)
        return 0;
    set_ends(record, sk);
    record->from = from;
    record->to = to;
    record->local_port = local_port(tp);
    set_owner(record, sk);
    if (is_owned(sk))
        record->pid = current_process(record->comm);
    submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

PROGRAM(tcp_retransmit_skb)
{
    const void *sk = (const void *)arguments[0], *skb = (const void *)arguments[1];
    if (!is_ours(sk))
        return 0;
    // From Linux 6.18 on also what could not be sent is told, with its error.
    if (ARGUMENTS > 2 && (u32)arguments[2]) {
        count(RETRANSMIT_FAILED, 1);
        return 0;
    }
    const char *control = ADDRESS(skb, sk_buff, cb);
    u32 segments = AT(u16, control, tcp_skb_cb, tcp_gso_segs);
    u32 syn = AT(u8, control, tcp_skb_cb, tcp_flags) & TCPHDR_SYN;
    count(syn ? RETRANSMITTED_SYN : RETRANSMITTED, segments);
    if (TALLIED) {
        struct whom whom = {.what = syn ? SYN_AGAIN : DATA_AGAIN, .port = syn ? remote_port(sk) : 0};
        set_remote(whom.address, sk);
        add_peer(&whom, segments);
    }
    if (!is_streamed(RETRANSMIT))
        return 0;
    struct record *record = new_record_here(arguments, RETRANSMIT, segments);
    if (!record)
        return 0;
    set_ends(record, sk);
    set_owner(record, sk);
    submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

PROGRAM(tcp_retransmit_synack)
{
    const void *request = (const void *)arguments[1];
    if (!is_ours(request))
        return 0;
    count(RETRANSMITTED_SYNACK, 1);
    if (TALLIED) {
        struct whom whom = {.what = SYN_ACK_AGAIN, .port = AT(u16, request, sock_common, skc_num)};
        set_remote(whom.address, request);
        add_peer(&whom, 1);
    }
    if (!is_streamed(RETRANSMIT))
        return 0;
    struct record *record = new_record(RETRANSMIT_SYNACK, 1);
    if (!record)
        return 0;
    set_ends(record, request);
    record->from = record->to = SYN_RECV;
    submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

// The IP and TCP headers of a packet; false for another protocol.
struct headers {
    u32 ip[10] __attribute__((aligned(8)));
    u16 ports[2];
    u32 is_ipv6;
};

INLINE int read_headers(struct headers *headers, const void *skb)
{
    const char *ip = AT(char *, skb, sk_buff, head) + AT(u16, skb, sk_buff, network_header);
    probe_read_kernel(headers->ip, sizeof(headers->ip), (u64)ip);
    const u8 *bytes = (const u8 *)headers->ip;
    headers->is_ipv6 = bytes[0] >> 4 == 6;
    u32 length = headers->is_ipv6 ? 40 : (bytes[0] & 15) * 4;
    probe_read_kernel(headers->ports, sizeof(headers->ports), (u64)ip + length);
    return (headers->is_ipv6 ? bytes[6] : bytes[9]) == IPPROTO_TCP;
}

INLINE void set_address_of_packet(u32 *to, const u32 *from, u32 is_ipv6)
{
    if (is_ipv6)
        set_ipv6(to, from);
    else
        set_ipv4(to, *from);
}

// The ends of a packet that we sent, or that we received: then ours is where it went to.
INLINE void set_ends_of_packet(struct record *record, const struct headers *headers, const int received)
{
    const u32 v6 = headers->is_ipv6, *source = headers->ip + (v6 ? 2 : 3), *destination = headers->ip + (v6 ? 6 : 4);
    set_address_of_packet(received ? record->remote : record->local, source, v6);
    set_address_of_packet(received ? record->local : record->remote, destination, v6);
    record->local_port = __builtin_bswap16(headers->ports[received]);
    record->remote_port = __builtin_bswap16(headers->ports[!received]);
}

INLINE const void *net_of_device(const void *skb)
{
    return AT(void *, AT(void *, skb, sk_buff, dev), net_device, nd_net);
}

INLINE void set_reset(struct record *record, const void *sk, const void *skb)
{
    record->from = record->to = CLOSE;
    FORGET(sk);
    if (sk)
        set_ends(record, sk);
    FORGET(skb);
    // An answer goes where the packet came from, whatever socket it met.
    if (skb) {
        struct headers headers;
        if (read_headers(&headers, skb))
            set_ends_of_packet(record, &headers, 1);
    } else if (sk) {
        const void *tp = tcp_sock(sk);
        set_owner(record, sk);
        // Who aborts has given its port back already; where it was sent from still stands in the socket.
        if (tp) {
            record->local_port = local_port(tp);
            if (is_owned(sk))
                record->pid = current_process(record->comm);
        }
    }
}

PROGRAM(tcp_send_reset)
{
    const void *sk = (const void *)arguments[0], *skb = (const void *)arguments[1];
    u32 reason = ARGUMENTS > 2 ? (u32)arguments[2] : 0;
    const void *net = 0;
    if (sk)
        net = AT(void *, sk, sock_common, skc_net);
    else if (skb)
        net = net_of_device(skb);
    if (!net || inum(net) != NETNS)
        return 0;
    count(RESETS + (reason < 127 ? reason : 127), 1);
    if (TALLIED) {
        struct record ends = {};
        set_reset(&ends, sk, skb);
        struct whom whom = {.what = WE_RESET, .reason = reason < 127 ? reason : 127, .port = skb ? ends.local_port : 0};
        set_ipv6(whom.address, ends.remote);
        add_peer(&whom, 1);
        // Who aborts has been forgotten with its socket; only the process is known, where one did it.
        struct who who = {.pid = ends.pid};
        struct doing *doing = ends.pid ? doing_of(&who, ends.comm) : 0;
        if (doing)
            add(&doing->aborted, 1);
    }
    if (!is_streamed(RESET_SENT))
        return 0;
    struct record *record = new_record(RESET_SENT, reason);
    if (!record)
        return 0;
    set_reset(record, sk, skb);
    submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

PROGRAM(tcp_receive_reset)
{
    const void *sk = (const void *)arguments[0];
    if (!is_ours(sk))
        return 0;
    count(RESETS_RECEIVED, 1);
    if (TALLIED) {
        u64 key = (u64)sk;
        const struct birth *birth = lookup(BIRTHS, &key);
        struct whom whom = {.what = THEY_RESET};
        u32 side = birth ? birth->side : UNKNOWN;
        if (side == CONNECTED || AT(u8, sk, sock_common, skc_state) == SYN_SENT)
            whom.port = remote_port(sk);
        else if (side == ACCEPTED)
            whom.port = AT(u16, sk, sock_common, skc_num);
        set_remote(whom.address, sk);
        add_peer(&whom, 1);
    }
    if (!is_streamed(RESET_RECEIVED))
        return 0;
    struct record *record = new_record(RESET_RECEIVED, 0);
    if (!record)
        return 0;
    set_ends(record, sk);
    set_owner(record, sk);
    submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

PROGRAM(kfree_skb)
{
    const void *skb = (const void *)arguments[0], *sk = 0, *net;
    u32 reason = ARGUMENTS > 2 ? (u32)arguments[2] : 0;
    u16 protocol = AT(u16, skb, sk_buff, protocol);
    if (protocol != 0x0008 && protocol != 0xdd86)
        return 0;
    if (ARGUMENTS > 3)
        sk = (const void *)arguments[3];
    if (!sk)
        sk = AT(void *, skb, sk_buff, sk);
    net = sk ? AT(void *, sk, sock_common, skc_net) : net_of_device(skb);
    struct headers headers;
    if (inum(net) != NETNS || !read_headers(&headers, skb))
        return 0;
    count(DROPS + (reason < 255 ? reason : 255), 1);
    if (!is_streamed(DROP))
        return 0;
    struct record *record = new_record_here(arguments, DROP, reason);
    if (!record)
        return 0;
    record->from = record->to = CLOSE;
    if (sk)
        record->from = record->to = AT(u8, sk, sock_common, skc_state);
    if (AT(u32, skb, sk_buff, skb_iif))
        set_ends_of_packet(record, &headers, 1);
    else
        set_ends_of_packet(record, &headers, 0);
    submit(record, BPF_RB_NO_WAKEUP);
    return 0;
}

INLINE int is_our_connection(u64 sk)
{
    u16 family = PEEK(u16, sk, sock_common, skc_family);
    u64 net = PEEK(u64, sk, sock_common, skc_net);
    return (family == AF_INET || family == AF_INET6) && PEEK(u16, sk, sock, sk_protocol) == IPPROTO_TCP &&
           PEEK(u8, sk, sock_common, skc_state) != CLOSE &&
           READ(u32, net + PLACE(net, ns) + PLACE(ns_common, inum)) == NETNS;
}

INLINE void accepted(u64 sk)
{
    struct birth *birth = lookup(BIRTHS, &sk);
    struct queue *queue;
    if (birth && birth->side == ACCEPTED) {
        u64 waited = boot_ns() - birth->at_ns;
        queue = birth->queued == TAKEN ? 0 : dequeue(sk, birth);
        if (!queue)
            return;
        add(&queue->accepted, 1);
        add(&queue->waited_ns, waited);
        raise(&queue->waited_ns_max, waited);
    } else if (is_our_connection(sk)) {
        queue = queue_of(sk);
        if (queue)
            add(&queue->unseen, 1);
    }
}

// A system call returns: of accept() and accept4() that is a descriptor of the process which called.
PROGRAM(sys_exit)
{
    u32 number = *(const u32 *)((const char *)arguments[0] + NUMBER_AT);
    long descriptor = (int)arguments[1];
    if ((number != ACCEPT && number != ACCEPT4) || descriptor < 0)
        return 0;
    const void *table = AT(void *, AT(void *, current_task(), task_struct, files), files_struct, fdt);
    u64 file = pointer_at((u64)AT(void *, table, fdtable, fd) + descriptor * 8);
    accepted(PEEK(u64, PEEK(u64, file, file, private_data), socket, sk));
    return 0;
}
