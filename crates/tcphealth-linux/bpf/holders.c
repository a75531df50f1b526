// SPDX-License-Identifier: GPL-2.0 OR MIT OR Apache-2.0
//
// Which process holds which socket, read from the processes' file tables without a lock.
//
// The kernel calls the program once a task (bpf_iter, "task") in an RCU section: tables and files are freed by RCU, so what is
// read is memory of a table or a file. A descriptor of a socket is told by the file system of its inode. One call follows so
// many descriptors and, where there are more or no room is left, asks for the same task again.

#define FIELDS "holders.fields.h"
#include "kernel.h"

#define RECORDS 16384
// A kernel without preemption cannot interrupt a call: 1 to 3 ms.
#define DESCRIPTORS 16384
// include/uapi/linux/magic.h
#define SOCKFS_MAGIC 0x534f434b

struct record {
    u64 inode;
    u32 tgid, pad;
};

// Shared with the reader, which begins again at record 0 after each read().
struct shared {
    u32 count; // out: records
    u32 tgid, descriptor; // where the next call goes on
    u32 end; // of the table that is being read
    u64 table;
    u64 pad;
    struct record records[RECORDS];
};

// bpf_iter__task
struct context {
    u64 meta;
    u64 task;
};

__attribute__((section("callback"), used)) static int step(u32 round, void *context)
{
    struct shared *s = SHARED;
    u32 slot = s->count;
    if (s->descriptor >= s->end || slot >= RECORDS)
        return 1;
    u64 file = pointer_at(s->table + 8 * (u64)s->descriptor++);
    if (!file)
        return 0;
    u64 inode = pointer_at(file + PLACE(file, f_inode));
    if (READ(u64, pointer_at(inode + PLACE(inode, i_sb)) + PLACE(super_block, s_magic)) != SOCKFS_MAGIC)
        return 0;
    s->records[slot].inode = pointer_at(inode + PLACE(inode, i_ino));
    s->records[slot].tgid = s->tgid;
    s->count = slot + 1;
    return 0;
}

// The number of a process in the reader's own pid namespace, from which deeper ones are seen by a number of each level.
static inline __attribute__((always_inline)) u32 number(u64 task)
{
    u64 reader = pointer_at(get_current_task() + PLACE(task_struct, thread_pid));
    u64 pid = pointer_at(task + PLACE(task_struct, thread_pid));
    u64 level = word_at(reader + PLACE(pid, level));
    return word_at(pid + PLACE(pid, numbers) + 16 * level);
}

__attribute__((section("program"), used)) int holders(struct context *context)
{
    u64 task = context->task;
    struct shared *s = SHARED;
    if (!task || word_at(task + PLACE(task_struct, pid)) != word_at(task + PLACE(task_struct, tgid)))
        return 0;
    u64 files = pointer_at(task + PLACE(task_struct, files));
    if (!files)
        return 0;
    u64 table = pointer_at(files + PLACE(files_struct, fdt));
    u32 tgid = number(task);
    if (s->tgid != tgid) {
        s->tgid = tgid;
        s->descriptor = 0;
    }
    s->table = pointer_at(table + PLACE(fdtable, fd));
    s->end = word_at(table + PLACE(fdtable, max_fds));
    loop(DESCRIPTORS, STEP, 0, 0);
    return s->descriptor < s->end;
}
