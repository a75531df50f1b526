// SPDX-License-Identifier: GPL-2.0 OR MIT OR Apache-2.0
//
// Every TCP socket of every network namespace, read from the kernel's hash tables without a lock.
//
// The tables hold their sockets in chains whose last link is odd and tells the bucket ("nulls"). Many chains are followed at
// once: first every line of memory that a socket of each will be read from is touched, with as few instructions between as can
// be, so that the processor waits for as many cache misses together as it can; and then one socket after the other is read.
// Sockets are freed by RCU and a run of a program is an RCU section, so what is read is memory of a socket; a chain whose end
// tells another bucket was left on the way, and then the reader takes these buckets again.
//
// Made with DEEP it also reads what tcp_info and the memory of a socket are computed from.

#ifdef DEEP
#define FIELDS "deep.all.h"
#define RECORDS 2048
#else
#define FIELDS "walk.fields.h"
#define RECORDS 16384
#endif
#include "kernel.h"

#define CHAINS 32
#define GROUPS 512
#define NAMESPACES 4096
#define COMMON_BYTES 112
#define QUEUES 1
#define OWNER 2
#define NETNS 4
#define PROGRESS 8
#define COUNTS 16 // how many are in each state, and no records
#define SUMS 32 // sockets of a run that have state, peer and namespace in common share a record, which has their sums
// include/net/inet_hashtables.h
#define LISTENING_NULLS_BASE (1u << 29)

#ifdef DEEP
enum {
#define FIELD(type, member) value_##type##__##member,
#include "deep.fields.h"
#undef FIELD
    VALUES
};
#endif

struct record {
    u8 common[COMMON_BYTES] __attribute__((aligned(8)));
    u32 rcv_nxt, copied_seq, write_seq, snd_una;
    u32 ack_backlog, max_ack_backlog; // of a listener
    u32 uid, netns;
    u64 inode;
    u8 substate;
    u8 pad[7];
    u32 srtt_us, total_retrans;
#ifdef DEEP
    u64 address, cgroup, sndbuf_limited;
    u64 values[VALUES];
#else
    u64 sockets, unread, unacknowledged, retransmitted; // of all that share it
    u64 rtt_us, measured;
#endif
};

// Which sockets share which record of a run.
struct group {
    u64 peer[2], about;
    u32 run, slot;
};

// Shared with the reader, which fills in what is not said to be an answer.
struct shared {
    u32 listeners; // which table
    u32 bucket, end; // the next bucket to begin, and where to stop
    u32 wants;
    u32 states; // bits of the states
    u32 others; // whether sockets of other namespaces than ours are wanted:
    u32 buckets; // out: how many the table has
    u32 count; // out: records
    u32 broken; // out: chains that ended elsewhere
    u32 finished; // out
    u32 first, last; // the records to fill: from this one on, and before that one
    u64 head, stride, nulls, net;
    u32 places[40]; // the reader's: where each of the fields lies
    u32 counts[16]; // out: sockets by state
    u64 jiffies; // out, of the deep walk
    u64 run; // how many there were
    u64 namespaces[NAMESPACES / 64]; // those whose number has a bit here, modulo the number of bits
    u64 at[CHAINS]; // the link that each chain is at,
    u64 next[CHAINS]; // and the one after it,
    u64 about[CHAINS]; // the eight bytes of its socket that hold the state,
    u64 chosen[CHAINS]; // the socket, if it is wanted,
    u64 chain[CHAINS]; // and its bucket
    struct group groups[GROUPS];
    struct record records[RECORDS];
};

#define STATE_OF(about) ((u8)((about) >> 8 * (PLACE(sock_common, skc_state) & 7)))

// Of the part that all kinds of sockets have in common, what is read of a record.
static inline __attribute__((always_inline)) void copy_common(struct record *record, u64 from, u32 inet6)
{
#ifdef DIRECT
    const volatile u64 *memory = readable(from);
#define COPY(byte) ((u64 *)record->common)[(byte) / 8] = memory[(byte) / 8]
// Nothing, when the other one is in the same eight bytes.
#define COPY_BESIDE(member, other)                                                                                     \
    if ((PLACE(sock_common, member) ^ PLACE(sock_common, other)) / 8)                                                  \
    COPY(PLACE(sock_common, member))
    COPY(PLACE(sock_common, skc_daddr));
    COPY_BESIDE(skc_rcv_saddr, skc_daddr);
    COPY(PLACE(sock_common, skc_dport));
    COPY_BESIDE(skc_num, skc_dport);
    COPY(PLACE(sock_common, skc_state));
    COPY_BESIDE(skc_family, skc_state);
    COPY_BESIDE(skc_bound_dev_if, skc_state);
    if (inet6) {
        COPY(PLACE(sock_common, skc_v6_daddr));
        COPY(PLACE(sock_common, skc_v6_daddr) + 8);
        COPY(PLACE(sock_common, skc_v6_rcv_saddr));
        COPY(PLACE(sock_common, skc_v6_rcv_saddr) + 8);
    }
#undef COPY_BESIDE
#undef COPY
#else
    probe_read_kernel(record->common, COMMON_BYTES, from);
#endif
}

// Whether the socket that a chain is at is in one of these states and namespaces.
static inline __attribute__((always_inline)) u32 wanted(struct shared *s, u32 number)
{
    u64 sk = s->at[number] - PLACE(sock_common, skc_nulls_node);
    if (!(s->states >> (STATE_OF(s->about[number]) & 31) & 1))
        return 0;
    u64 net = pointer_at(sk + PLACE(sock_common, skc_net));
    if (!s->others)
        return net == s->net;
    u32 netns = word_at(net + PLACE(net, ns) + PLACE(ns_common, inum)) % NAMESPACES;
    return s->namespaces[netns / 64] >> netns % 64 & 1;
}

#ifdef DIRECT
// Asks for these lines of memory of a socket of each chain, without waiting for any.
#define TOUCH(socket, lines)                                                                                           \
    _Pragma("clang loop unroll_count(8)") for (u32 number = 0; number < CHAINS; number++)                              \
    {                                                                                                                  \
        const volatile u8 *sk = readable(socket);                                                                      \
        lines;                                                                                                         \
    }
#define ANY (s->at[number] - PLACE(sock_common, skc_nulls_node))
#define LINE(type, member) *(const volatile u64 *)(sk + PLACE(type, member))
#define LINE_OF_INODE pointer_at(LINE(sock, sk_socket) + PLACE(socket_alloc, vfs_inode) + PLACE(inode, i_ino))

static inline __attribute__((always_inline)) void touch(struct shared *s)
{
#ifdef DEEP
    // Each has so many that those of others must not be waited for.
#pragma clang loop unroll(disable)
    for (u32 number = 0; number < CHAINS; number++)
        s->chosen[number] = wanted(s, number) ? ANY : 0;
#define CHOSEN s->chosen[number]
    TOUCH(CHOSEN, LINE(sock, sk_drops); LINE(sock, sk_rcvbuf); LINE(sock, sk_socket); LINE(sock, sk_wmem_alloc);
          LINE(sock, sk_timer__expires); LINE(sock, sk_uid); LINE(sock, sk_cgrp_data__cgroup));
    TOUCH(CHOSEN, LINE(inet_connection_sock, icsk_retransmit_timer__expires); LINE(inet_connection_sock, icsk_rto);
          LINE(inet_connection_sock, icsk_pending));
    TOUCH(CHOSEN, LINE(tcp_sock, copied_seq); LINE(tcp_sock, advmss); LINE(tcp_sock, write_seq);
          LINE(tcp_sock, rcv_nxt));
    TOUCH(CHOSEN, LINE(tcp_sock, bytes_received); LINE(tcp_sock, bytes_acked); LINE(tcp_sock, dsack_dups);
          LINE(tcp_sock, reord_seen); LINE(tcp_sock, total_retrans));
    TOUCH(CHOSEN, LINE_OF_INODE);
#else
    if (s->wants & QUEUES)
        TOUCH(ANY, LINE(tcp_sock, rcv_nxt); LINE(tcp_sock, copied_seq); LINE(tcp_sock, write_seq));
    if (s->wants & PROGRESS)
        TOUCH(ANY, LINE(tcp_sock, srtt_us); LINE(tcp_sock, total_retrans));
    if (s->wants & OWNER) {
        TOUCH(ANY, LINE(sock, sk_socket); LINE(sock, sk_uid));
        TOUCH(ANY, LINE_OF_INODE);
    }
#endif
}
#endif

static inline __attribute__((always_inline)) void queues(struct record *record, u64 sk, u8 state)
{
    if (state == 10) {
        record->ack_backlog = word_at(sk + PLACE(sock, sk_ack_backlog));
        record->max_ack_backlog = word_at(sk + PLACE(sock, sk_max_ack_backlog));
    } else {
        record->rcv_nxt = word_at(sk + PLACE(tcp_sock, rcv_nxt));
        record->copied_seq = word_at(sk + PLACE(tcp_sock, copied_seq));
        record->write_seq = word_at(sk + PLACE(tcp_sock, write_seq));
        record->snd_una = word_at(sk + PLACE(tcp_sock, snd_una));
    }
}

static inline __attribute__((always_inline)) void progress(struct record *record, u64 sk)
{
    record->srtt_us = word_at(sk + PLACE(tcp_sock, srtt_us));
    record->total_retrans = word_at(sk + PLACE(tcp_sock, total_retrans));
}

static inline __attribute__((always_inline)) void owner(struct record *record, u64 sk)
{
    u64 socket = pointer_at(sk + PLACE(sock, sk_socket));
    record->uid = word_at(sk + PLACE(sock, sk_uid));
    record->inode = socket ? pointer_at(socket + PLACE(socket_alloc, vfs_inode) + PLACE(inode, i_ino)) : 0;
}

#ifdef DEEP
static u64 (*const jiffies64)(void) = (void *)118;

static inline __attribute__((always_inline)) void deep(struct record *record, u64 sk)
{
    u64 group = pointer_at(sk + PLACE(sock, sk_cgrp_data__cgroup));
    u64 node = pointer_at(group + PLACE(cgroup, kn));
    record->cgroup = pointer_at(node + PLACE(kernfs_node, id));
    record->sndbuf_limited = word_at(sk + PLACE(tcp_sock, chrono_stat) + 8);
#define FIELD(type, member) record->values[value_##type##__##member] = pointer_at(sk + PLACE(type, member));
#include "deep.fields.h"
#undef FIELD
}
#endif

#ifndef DEEP
// The record of those that have this one's state, peer and namespace. One that is displaced by another group is met again by the
// reader, who adds up records of the same kind anyway.
static inline __attribute__((always_inline)) u64 shared_slot(struct shared *s, u64 sk, u8 state, u32 inet6)
{
    u64 first, second = 0;
    if (inet6) {
        first = pointer_at(sk + PLACE(sock_common, skc_v6_daddr));
        second = pointer_at(sk + PLACE(sock_common, skc_v6_daddr) + 8);
    } else {
        first = word_at(sk + PLACE(sock_common, skc_daddr));
    }
    // A namespace lies at an address whose last six bits are 0.
    u64 about = pointer_at(sk + PLACE(sock_common, skc_net)) | (state & 15) << 1 | inet6;
    struct group *group = &s->groups[(first ^ second ^ about) * 0x9e3779b97f4a7c15ull >> 32 & (GROUPS - 1)];
    u32 run = s->run;
    if (group->run != run || group->peer[0] != first || group->peer[1] != second || group->about != about) {
        group->peer[0] = first;
        group->peer[1] = second;
        group->about = about;
        group->run = run;
        group->slot = s->count;
    }
    return group->slot;
}

static inline __attribute__((always_inline)) void sum(struct record *record)
{
    int unread = record->rcv_nxt - record->copied_seq;
    u32 rtt_us = record->srtt_us >> 3;
    record->unread += unread > 0 ? unread : 0;
    record->unacknowledged += record->write_seq - record->snd_una;
    record->retransmitted += record->total_retrans;
    record->rtt_us += rtt_us;
    record->measured += rtt_us > 0;
}
#endif

// What is the same of all sockets that share a record.
static inline __attribute__((always_inline)) void begin(struct shared *s, struct record *record, u64 sk, u32 inet6)
{
    s->count++;
    copy_common(record, sk, inet6);
    if (s->wants & NETNS) {
        u64 net = pointer_at(sk + PLACE(sock_common, skc_net));
        record->netns = word_at(net + PLACE(net, ns) + PLACE(ns_common, inum));
    }
#ifdef DEEP
    record->address = sk;
#else
    record->sockets = record->unread = record->unacknowledged = record->retransmitted = 0;
    record->rtt_us = record->measured = 0;
#endif
}

// What only some kinds have.
static inline __attribute__((always_inline)) void rest(struct shared *s, struct record *record, u64 sk, u8 state)
{
    if (state == 6) {
        record->substate = READ(u8, sk + PLACE(inet_timewait_sock, tw_substate));
#ifdef DEEP
        record->values[0] = pointer_at(sk + PLACE(inet_timewait_sock, tw_timer__expires));
    } else if (state == 12) {
        record->values[0] = pointer_at(sk + PLACE(request_sock, rsk_timer__expires));
        record->values[1] = READ(u8, sk + PLACE(request_sock, num_retrans));
    } else if (state != 10) {
        deep(record, sk);
        progress(record, sk);
        queues(record, sk, state);
        owner(record, sk);
    }
#else
    } else if (state != 12) {
        if (s->wants & QUEUES)
            queues(record, sk, state);
        if (s->wants & PROGRESS && state != 10)
            progress(record, sk);
        if (s->wants & OWNER)
            owner(record, sk);
        // A listener has none of it.
        if (s->wants & SUMS && state != 10)
            sum(record);
    }
#endif
}

// The socket that a chain is at, if it is wanted.
static inline __attribute__((always_inline)) void take(struct shared *s, u32 number)
{
    if (!wanted(s, number))
        return;
    u64 sk = s->at[number] - PLACE(sock_common, skc_nulls_node);
    u8 state = STATE_OF(s->about[number]);
    u8 own = state == 6 && s->wants & (COUNTS | SUMS) ? READ(u8, sk + PLACE(inet_timewait_sock, tw_substate)) : state;
    if (s->wants & COUNTS) {
        s->counts[own & 15]++;
        return;
    }
    u32 inet6 = READ(u16, sk + PLACE(sock_common, skc_family)) != 2;
    u64 slot = s->count;
#ifndef DEEP
    if (s->wants & SUMS)
        slot = shared_slot(s, sk, own, inet6);
#endif
    if (slot >= s->last || slot >= RECORDS)
        return;
    struct record *record = &s->records[slot];
    if (slot == s->count)
        begin(s, record, sk, inet6);
#ifndef DEEP
    record->sockets++;
#endif
    rest(s, record, sk, state);
}

// What all chains are at: the next link of each, and what tells whether its socket is wanted.
static inline __attribute__((always_inline)) void look(struct shared *s)
{
#pragma clang loop unroll_count(8)
    for (u32 number = 0; number < CHAINS; number++) {
        u64 link = s->at[number];
#ifndef DIRECT
        // A call is not worth its price.
        if (!link || (link & 1))
            continue;
#endif
        s->next[number] = pointer_at(link);
        s->about[number] = pointer_at(link - PLACE(sock_common, skc_nulls_node) + PLACE(sock_common, skc_state) / 8 * 8);
    }
#ifdef DIRECT
    touch(s);
#endif
}

// One link further on one chain; at its end, the first link of the next bucket. Results stay in memory, where the verifier does
// not follow their values.
static inline __attribute__((always_inline)) void advance(struct shared *s, u32 number)
{
    u64 link = s->at[number], next = s->next[number];
    if (!link || (link & 1)) {
        s->broken += link && link >> 1 != s->nulls + s->chain[number];
        if (s->bucket >= s->end) {
            s->at[number] = 0;
            return;
        }
        s->chain[number] = s->bucket;
        next = pointer_at(s->head + s->bucket++ * s->stride);
    } else {
        take(s, number);
    }
    // A link that cannot be read is no end: it tells a bucket of no table.
    s->at[number] = next ? next : ~0ull;
    s->finished = 0;
}

// Each turn is that of another chain, and a round of all begins with looking.
__attribute__((section("callback"), used)) static int step(u32 turn, void *context)
{
    struct shared *s = SHARED;
    u32 number = turn % CHAINS;
    if (!number) {
        s->finished = 1;
        look(s);
    }
    advance(s, number);
    return number == CHAINS - 1 && (s->finished & 1);
}

__attribute__((section("program"), used)) int walk(void *context)
{
    struct shared *s = SHARED;
    s->net = pointer_at(pointer_at(get_current_task() + PLACE(task_struct, nsproxy)) + PLACE(nsproxy, net_ns));
    u64 row = s->net + PLACE(net, ipv4) + PLACE(netns_ipv4, tcp_death_row);
    u64 hash = pointer_at(row + PLACE(inet_timewait_death_row, hashinfo));
    if (s->listeners) {
        s->head = pointer_at(hash + PLACE(inet_hashinfo, lhash2)) + PLACE(inet_listen_hashbucket, nulls_head);
        s->buckets = word_at(hash + PLACE(inet_hashinfo, lhash2_mask)) + 1;
        // The head is the last member of its bucket.
        s->stride = PLACE(inet_listen_hashbucket, nulls_head) + 8;
        s->nulls = LISTENING_NULLS_BASE;
    } else {
        s->head = pointer_at(hash + PLACE(inet_hashinfo, ehash)) + PLACE(inet_ehash_bucket, chain);
        s->buckets = word_at(hash + PLACE(inet_hashinfo, ehash_mask)) + 1;
        s->stride = PLACE(inet_ehash_bucket, chain) + 8;
        s->nulls = 0;
    }
    s->count = s->first;
    s->broken = s->finished = 0;
    s->run++;
#ifdef DEEP
    s->jiffies = jiffies64();
#endif
    if (!hash)
        return 1;
    if (s->end > s->buckets)
        s->end = s->buckets;
    for (u32 number = 0; number < CHAINS; number++)
        s->at[number] = 0;
#pragma unroll
    for (u32 state = 0; state < 16; state++)
        s->counts[state] = 0;
    loop(1 << 21, STEP, 0, 0);
    return 0;
}
