// SPDX-License-Identifier: GPL-2.0 OR MIT OR Apache-2.0
//
// What all programs for the kernel share. Nothing here needs a header of the kernel: what stands in FIELDS, the shared memory and
// the callback are constants with a mark, into which the loader writes what they are in the running kernel.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

enum {
#define FIELD(type, member) type##__##member,
#include FIELDS
#undef FIELD
};

#define TAG 0x7c9e000000000000ull
#define WRITTEN_IN(kind, number)                                                                                       \
    ({                                                                                                                 \
        u64 value;                                                                                                     \
        asm("%0 = %1 ll" : "=r"(value) : "i"(TAG | (u64)(kind) << 32 | (number)));                                     \
        value;                                                                                                         \
    })
#define PLACE(type, member) WRITTEN_IN(0, type##__##member)
#define SHARED ((struct shared *)WRITTEN_IN(1, 0))
#define STEP ((void *)WRITTEN_IN(2, 0))
// A map by its number, and a number that the reader chooses.
#define MAP(number) ((void *)WRITTEN_IN(3, number))
#define SETTING(number) WRITTEN_IN(4, number)

#ifndef DIRECT
static long (*const probe_read_kernel)(void *to, u32 bytes, u64 from) = (void *)113;
#endif
static u64 (*const get_current_task)(void) = (void *)35;
static long (*const loop)(u32 times, void *callback, void *context, u64 flags) = (void *)181;

#ifdef DIRECT
// bpf_rdonly_cast(from, 0), since Linux 6.17: memory that loads may read without a call; what cannot be read is 0.
static inline __attribute__((always_inline)) const volatile void *readable(u64 from)
{
    const volatile void *memory;
    asm volatile("r1 = %1; r2 = 0; call 0x7c9e; %0 = r0"
                 : "=r"(memory)
                 : "r"(from)
                 : "r0", "r1", "r2", "r3", "r4", "r5");
    return memory;
}
#define READ(type, from) (*(const volatile type *)readable(from))
#else
#define READ(type, from)                                                                                               \
    ({                                                                                                                 \
        type value_read = 0;                                                                                           \
        probe_read_kernel(&value_read, sizeof(value_read), from);                                                      \
        value_read;                                                                                                    \
    })
#endif

static inline __attribute__((always_inline)) u64 pointer_at(u64 from)
{
    return READ(u64, from);
}

static inline __attribute__((always_inline)) u32 word_at(u64 from)
{
    return READ(u32, from);
}
