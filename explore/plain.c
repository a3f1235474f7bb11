/* Plain memory: nobody may touch it while another thread writes to it, and nobody after it was freed.
 *
 * The compiler reports each access that is not to a variable of the function itself. For every eight bytes of the
 * model's memory the last accesses are kept: by whom, at which of its steps, to which bytes, at what place. An access
 * by another thread to the same bytes is a data race unless it happened before, which the clock tells; no matter how
 * the steps of this run came to follow each other. One of the two must be a write, and not both may be atomic.
 *
 * Memory is never given out twice in a run, so one that was freed is recognised; and each thread takes it from a heap
 * of its own, so that what the others do does not change its addresses. */
#define _GNU_SOURCE
#include "core.h"

#include "../trace/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { HEAP_SIZE = 1 << 20, STACK_SIZE = 1 << 18, KEPT = 8, RUBBISH = 0xdb };

static const size_t AREA_SIZE = (size_t)MAX_THREADS * (HEAP_SIZE + STACK_SIZE);

struct past {
    const void *pc;
    uint32_t step;
    uint8_t thread, bytes, access;
};

struct granule { /* eight bytes of memory */
    uint32_t run;
    uint8_t count;
    bool freed;
    const void *freed_at;
    struct location *locations;
    struct past past[KEPT];
};

struct block { /* lies before the memory that it describes */
    struct block *next;
    size_t size;
    const void *made_at;
    bool freed;
} __attribute__((aligned(64)));

extern char __data_start[], _end[];

static struct {
    char *area; /* the threads' heaps, then their stacks */
    struct granule *of_area, *of_statics;
} outside;
static uint32_t *run; /* outside: which run it is */

/* Of this run. */
static size_t heap_used[MAX_THREADS];
static size_t mapped; /* bytes */
static struct block *blocks;

void memory_init(void)
{
    outside.area = memory_reserve(AREA_SIZE);
    outside.of_area = memory_reserve(AREA_SIZE / 8 * sizeof(struct granule));
    outside.of_statics = memory_reserve(((size_t)(_end - __data_start) / 8 + 2) * sizeof(struct granule));
    run = memory_reserve(sizeof *run);
}

void memory_begin(void)
{
    ++*run;
}

void *memory_stack(unsigned thread, size_t *size)
{
    *size = STACK_SIZE;
    return outside.area + (size_t)MAX_THREADS * HEAP_SIZE + (size_t)thread * STACK_SIZE;
}

/* ---- accesses ---- */

static void granule_clear(struct granule *g)
{
    g->run = *run;
    g->count = 0;
    g->freed = false;
    g->locations = NULL;
}

/* NULL: this memory is not watched. */
static struct granule *granule_of(const void *address)
{
    uintptr_t offset = (uintptr_t)address - (uintptr_t)outside.area;
    uintptr_t place = (uintptr_t)address - ((uintptr_t)__data_start & ~(uintptr_t)7);
    struct granule *g;

    if (offset < AREA_SIZE)
        g = &outside.of_area[offset / 8];
    else if (place < (uintptr_t)(_end - __data_start))
        g = &outside.of_statics[place / 8];
    else
        return NULL;
    if (g->run != *run)
        granule_clear(g);
    return g;
}

struct location **location_slot(const void *address)
{
    struct granule *g = granule_of(address);
    return g ? &g->locations : NULL;
}

static bool conflict(const struct past *past, const struct past *access)
{
    return past->thread != access->thread && past->bytes & access->bytes &&
           (past->access | access->access) & ACCESS_WRITE && !(past->access & access->access & ACCESS_ATOMIC) &&
           !clock_has(&me()->clock, past->thread, past->step);
}

static const char *access_name(unsigned access)
{
    static const char *const names[] = {"a read", "a write", "an atomic read", "an atomic write"};
    return names[access];
}

_Noreturn static void fail_race(const struct past *past, const struct past *access)
{
    char place[300];

    place_name(past->pc, place, sizeof place);
    fail(access->pc, "data race: %s by thread %u at %s, and %s by thread %u", access_name(past->access), past->thread,
         place, access_name(access->access), access->thread);
}

/* Is the old access of no more use? Whoever conflicts with it conflicts with the new one as well. */
static bool supersedes(const struct past *access, const struct past *past)
{
    return (past->bytes & ~access->bytes) == 0 && (access->access == past->access || access->access == ACCESS_WRITE) &&
           clock_has(&me()->clock, past->thread, past->step);
}

static void remember(struct granule *g, const struct past *access)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < g->count; i++) {
        if (conflict(&g->past[i], access))
            fail_race(&g->past[i], access);
        if (!supersedes(access, &g->past[i]))
            g->past[kept++] = g->past[i];
    }
    if (kept == KEPT) /* the oldest is forgotten */
        memmove(&g->past[0], &g->past[1], (--kept) * sizeof g->past[0]);
    g->past[kept++] = *access;
    g->count = (uint8_t)kept;
}

static void check_granule(struct granule *g, unsigned first, unsigned count, unsigned access, const void *pc)
{
    unsigned self = me()->id;
    struct past now = {.pc = pc,
                       .step = me()->clock.at[self],
                       .thread = (uint8_t)self,
                       .bytes = (uint8_t)(((1u << count) - 1) << first),
                       .access = (uint8_t)access};

    if (g->freed) {
        char place[300];
        place_name(g->freed_at, place, sizeof place);
        fail(pc, "use after free: %s of memory that was freed at %s", access_name(access), place);
    }
    remember(g, &now);
}

/* A trace point reads trace_on, evaluates its arguments and calls trace_emit. It comes to no step in between, so there is
 * one such thread at most. */
static bool tracing;

bool never_traced; /* trace_on, to those whose steps depend on it: see explore.mk */

bool is_tracing(void)
{
    return tracing;
}

void explorer_trace_emit(enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b, const struct site *at);

void explorer_trace_emit(enum trace_kind kind, uint32_t task, uint32_t a, uint64_t b, const struct site *at)
{
    tracing = false;
    trace_emit(kind, task, a, b, at);
}

void check_access(const void *address, size_t size, unsigned access, const void *pc)
{
    uintptr_t at = (uintptr_t)address, end = at + size;

    if (address == &trace_on)
        tracing = trace_on;
    if (tracing)
        return;
    while (at < end) {
        uintptr_t next = (at & ~(uintptr_t)7) + 8;
        struct granule *g = granule_of((void *)at);
        if (!g)
            return;
        check_granule(g, at & 7, (unsigned)((next < end ? next : end) - at), access, pc);
        if (access == ACCESS_WRITE && g->locations)
            locations_forget((void *)at, (next < end ? next : end) - at);
        at = next;
    }
}

/* ---- the heap ---- */

void *explorer_malloc(size_t size);
void *explorer_calloc(size_t count, size_t size);
void *explorer_realloc(void *memory, size_t size);
void *explorer_aligned_alloc(size_t alignment, size_t size);
int explorer_posix_memalign(void **memory, size_t alignment, size_t size);
void explorer_free(void *memory);
void *explorer_mmap(void *address, size_t length, int protection, int flags, int fd, long offset);
int explorer_munmap(void *address, size_t length);

/* From the calling thread's heap. */
static void *take(size_t size, const void *pc)
{
    unsigned self = me()->id;
    char *memory = outside.area + (size_t)self * HEAP_SIZE + heap_used[self];

    heap_used[self] += (size + 63) & ~(size_t)63;
    if (heap_used[self] > HEAP_SIZE)
        fail(pc, "a thread of a model has at most %d bytes of heap", HEAP_SIZE);
    return memory;
}

static void *allocate(size_t size, const void *pc)
{
    struct block *block = take(sizeof *block + size, pc);

    *block = (struct block){.next = blocks, .size = size, .made_at = pc};
    blocks = block;
    memset(block + 1, RUBBISH, size);
    return block + 1;
}

void *explorer_malloc(size_t size)
{
    return allocate(size, CALLER);
}

void *explorer_calloc(size_t count, size_t size)
{
    return memset(allocate(count * size, CALLER), 0, count * size);
}

void *explorer_aligned_alloc(size_t alignment, size_t size)
{
    (void)alignment; /* all blocks are aligned to 64 */
    return allocate(size, CALLER);
}

int explorer_posix_memalign(void **memory, size_t alignment, size_t size)
{
    (void)alignment;
    *memory = allocate(size, CALLER);
    return 0;
}

/* To end its life is to write to it: who still uses it, and does not know of this, races with it. */
static void end_life(void *memory, size_t size, const void *pc)
{
    for (size_t i = 0; i < size; i += 8) {
        struct granule *g = granule_of((char *)memory + i);
        if (g->count > 0 || g->freed)
            check_granule(g, 0, size - i < 8 ? (unsigned)(size - i) : 8, ACCESS_WRITE, pc);
        g->freed = true;
        g->freed_at = pc;
    }
}

static void give_back(void *memory, const void *pc)
{
    struct block *block = (struct block *)memory - 1;

    if (!memory)
        return;
    if (block->freed)
        fail(pc, "double free");
    block->freed = true;
    end_life(memory, block->size, pc);
}

void explorer_free(void *memory)
{
    give_back(memory, CALLER);
}

void *explorer_realloc(void *memory, size_t size)
{
    void *larger = allocate(size, CALLER);

    if (memory) {
        size_t before = ((struct block *)memory - 1)->size;
        memcpy(larger, memory, before < size ? before : size);
        give_back(memory, CALLER);
    }
    return larger;
}

/* Its addresses need no more than the alignment of a heap here: programs that want more cut it out themselves. */
void *explorer_mmap(void *address, size_t length, int protection, int flags, int fd, long offset)
{
    (void)address, (void)protection, (void)flags, (void)fd, (void)offset;
    mapped += length;
    return memset(take(length, CALLER), 0, length);
}

int explorer_munmap(void *address, size_t length)
{
    mapped -= length;
    end_life(address, length, CALLER);
    return 0;
}

void memory_check_leaks(void)
{
    unsigned leaks = 0;
    const void *made_at = NULL;

    for (struct block *block = blocks; block; block = block->next)
        if (!block->freed) {
            leaks++;
            made_at = block->made_at;
        }
    if (leaks > 0)
        fail(made_at, "leak: %u blocks of memory were not freed; the first was made", leaks);
    if (mapped > 0)
        fail(NULL, "leak: %zu bytes of memory are still mapped", mapped);
}

/* ---- what the compiler calls ---- */

void __tsan_init(void);
void __tsan_func_entry(void *pc);
void __tsan_func_exit(void);
void __tsan_read_range(void *address, size_t size);
void __tsan_write_range(void *address, size_t size);
void *explorer_memcpy(void *to, const void *from, size_t size);
void *explorer_memmove(void *to, const void *from, size_t size);
void *explorer_memset(void *to, int byte, size_t size);

void __tsan_init(void)
{
}

void __tsan_func_entry(void *pc)
{
    (void)pc;
}

void __tsan_func_exit(void)
{
}

#define ACCESSES(name, size)                                                                                           \
    void __tsan_read##name(void *address);                                                                             \
    void __tsan_write##name(void *address);                                                                            \
    void __tsan_unaligned_read##name(void *address);                                                                   \
    void __tsan_unaligned_write##name(void *address);                                                                  \
                                                                                                                       \
    void __tsan_read##name(void *address)                                                                              \
    {                                                                                                                  \
        check_access(address, size, ACCESS_READ, CALLER);                                                              \
    }                                                                                                                  \
    void __tsan_write##name(void *address)                                                                             \
    {                                                                                                                  \
        check_access(address, size, ACCESS_WRITE, CALLER);                                                             \
    }                                                                                                                  \
    void __tsan_unaligned_read##name(void *address)                                                                    \
    {                                                                                                                  \
        check_access(address, size, ACCESS_READ, CALLER);                                                              \
    }                                                                                                                  \
    void __tsan_unaligned_write##name(void *address)                                                                   \
    {                                                                                                                  \
        check_access(address, size, ACCESS_WRITE, CALLER);                                                             \
    }

ACCESSES(1, 1)
ACCESSES(2, 2)
ACCESSES(4, 4)
ACCESSES(8, 8)
ACCESSES(16, 16)

void __tsan_read_range(void *address, size_t size)
{
    check_access(address, size, ACCESS_READ, CALLER);
}

void __tsan_write_range(void *address, size_t size)
{
    check_access(address, size, ACCESS_WRITE, CALLER);
}

void *explorer_memcpy(void *to, const void *from, size_t size)
{
    check_access(from, size, ACCESS_READ, CALLER);
    check_access(to, size, ACCESS_WRITE, CALLER);
    return memcpy(to, from, size);
}

void *explorer_memmove(void *to, const void *from, size_t size)
{
    check_access(from, size, ACCESS_READ, CALLER);
    check_access(to, size, ACCESS_WRITE, CALLER);
    return memmove(to, from, size);
}

void *explorer_memset(void *to, int byte, size_t size)
{
    check_access(to, size, ACCESS_WRITE, CALLER);
    return memset(to, byte, size);
}
