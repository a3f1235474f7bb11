/* Source of the idea: Bonwick, "The Slab Allocator" (1994); that each thread frees into its own list and foreign frees go
 * to a list apart is from mimalloc. */
#include "slab.h"

#include "task.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

/* The address sanitizer knows malloc, but not this: it is told which blocks are out. The first bytes of a free block stay
 * readable, as the chain of free blocks and slab_each need them. */
#ifndef __has_feature
#define __has_feature(feature) 0
#endif
#if defined __SANITIZE_ADDRESS__ || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(address, size)   ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif
#define BLOCK_HEAD offsetof(struct task, joiner)

enum {
    CHUNK_SIZE = 256 * 1024,
    SMALL_STEP = 8, /* sizes up to SMALL_MAX in such steps, then powers of two */
    SMALL_MAX = 256,
    SMALL_CLASSES = SMALL_MAX / SMALL_STEP,
    CLASSES = SMALL_CLASSES + 40,
};

struct chunk {
    struct slab *slab;
    struct chunk *next; /* of this slab */
    size_t length;      /* of the mapping */
    size_t stride;      /* bytes from block to block */
    _Alignas(16) unsigned char blocks[];
};

/* From the newest chunk every other block is given out first, and then those between: so tasks that are made one after
 * the other do not lie in one cache line, which two workers that poll them would take away from each other at each poll.
 * (To give every task whole lines would do, too; but a task that sleeps would take half as much again.) */
struct size_class {
    struct task *free;      /* given back, chained by `next` */
    unsigned char *next;    /* of the newest chunk: the next that was never given out, */
    unsigned char *end;     /* if it lies before the end */
    unsigned char *between; /* where the second half begins; NULL: it has begun */
};

struct slab {
    /* set once */
    struct runtime *runtime;

    /* the owner */
    struct size_class classes[CLASSES];
    struct chunk *chunks;
    size_t out; /* blocks given out, less those that came back by way of the owner */

    /* any thread, under lock */
    pthread_mutex_t lock;
    struct task *returned; /* by other threads, chained by `next` */
    size_t returns;        /* how many */
    bool closed;           /* the owner is gone, and `out` counts down here */
};

struct slab *slab_new(struct runtime *rt)
{
    struct slab *slab = calloc(1, sizeof *slab);
    if (slab) {
        slab->runtime = rt;
        pthread_mutex_init(&slab->lock, NULL);
    }
    return slab;
}

static struct chunk *chunk_of(const struct task *task)
{
    return (struct chunk *)((uintptr_t)task & ~(uintptr_t)(CHUNK_SIZE - 1));
}

struct runtime *slab_runtime(const struct task *task)
{
    return chunk_of(task)->slab->runtime;
}

/* --- sizes --- */

static unsigned class_of(size_t size)
{
    if (size <= SMALL_MAX)
        return (unsigned)((size + SMALL_STEP - 1) / SMALL_STEP) - 1;
    return SMALL_CLASSES + (unsigned)(__builtin_clzll(SMALL_MAX) - __builtin_clzll(size - 1));
}

static size_t class_stride(unsigned number)
{
    return number < SMALL_CLASSES ? (number + 1) * SMALL_STEP : (size_t)2 * SMALL_MAX << (number - SMALL_CLASSES);
}

/* --- chunks --- */

/* The kernel gives no alignment beyond a page, so twice as much is mapped, and what stands over is given back. */
static void *map_aligned(size_t length)
{
    size_t room = length + CHUNK_SIZE;
    unsigned char *start = mmap(NULL, room, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    size_t before = -(uintptr_t)start & (CHUNK_SIZE - 1);
    if (before)
        munmap(start, before);
    munmap(start + before + length, room - before - length);
    return start + before;
}

/* A block begins in the first CHUNK_SIZE bytes of its chunk; one that is big has a chunk of its own, as long as needed. */
static bool slab_grow(struct slab *slab, struct size_class *class, size_t stride)
{
    size_t length = CHUNK_SIZE;
    if (stride > CHUNK_SIZE / 8)
        length = (sizeof(struct chunk) + stride + 4095) / 4096 * 4096;
    struct chunk *chunk = map_aligned(length);
    if (!chunk)
        return false;
    *chunk = (struct chunk){.slab = slab, .next = slab->chunks, .length = length, .stride = stride};
    slab->chunks = chunk;
    class->next = chunk->blocks;
    class->end = chunk->blocks + (length - sizeof *chunk) / stride * stride;
    class->between = chunk->blocks + stride;
    return true;
}

static void slab_delete(struct slab *slab)
{
    for (struct chunk *chunk = slab->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        ASAN_UNPOISON_MEMORY_REGION(chunk->blocks,
                                    chunk->length - sizeof *chunk); /* whoever gets these addresses next */
        munmap(chunk, chunk->length);
    }
    pthread_mutex_destroy(&slab->lock);
    free(slab);
}

/* --- out and back --- */

static void slab_put(struct slab *slab, struct task *task)
{
    struct size_class *class = &slab->classes[class_of(chunk_of(task)->stride)];

    task->next = class->free;
    class->free = task;
    slab->out--;
}

/* Takes over what other threads have given back. */
static void slab_collect(struct slab *slab)
{
    pthread_mutex_lock(&slab->lock);
    struct task *task = slab->returned;
    slab->returned = NULL;
    slab->returns = 0;
    pthread_mutex_unlock(&slab->lock);
    for (struct task *next; task; task = next) {
        next = task->next;
        slab_put(slab, task);
    }
}

/* Says whether there is a block in the newest chunk that was never given out. */
static bool class_has_new(struct size_class *class)
{
    if (class->next >= class->end && class->between) {
        class->next = class->between;
        class->between = NULL;
    }
    return class->next < class->end;
}

static struct task *slab_take_new(struct slab *slab, struct size_class *class, size_t stride)
{
    if (!class_has_new(class) && !slab_grow(slab, class, stride))
        return NULL;
    struct task *task = (struct task *)class->next;
    class->next += 2 * stride;
    return task;
}

struct task *slab_alloc(struct slab *slab, size_t size)
{
    unsigned number = class_of(size);
    struct size_class *class = &slab->classes[number];

    if (!class->free && !class_has_new(class))
        slab_collect(slab);
    struct task *task = class->free;
    if (task)
        class->free = task->next;
    else
        task = slab_take_new(slab, class, class_stride(number));
    if (task) {
        slab->out++;
        ASAN_UNPOISON_MEMORY_REGION((char *)task + BLOCK_HEAD, class_stride(number) - BLOCK_HEAD);
    }
    return task;
}

static void slab_return(struct slab *slab, struct task *task)
{
    pthread_mutex_lock(&slab->lock);
    task->next = slab->returned;
    slab->returned = task;
    slab->returns++;
    bool last = slab->closed && slab->returns == slab->out;
    pthread_mutex_unlock(&slab->lock);
    if (last)
        slab_delete(slab);
}

void slab_free(struct task *task, struct slab *mine)
{
    struct chunk *chunk = chunk_of(task);
    struct slab *slab = chunk->slab;

    ASAN_POISON_MEMORY_REGION((char *)task + BLOCK_HEAD, chunk->stride - BLOCK_HEAD);
    if (slab == mine)
        slab_put(slab, task);
    else
        slab_return(slab, task);
}

void slab_close(struct slab *slab)
{
    slab_collect(slab);
    pthread_mutex_lock(&slab->lock);
    slab->closed = true;
    bool last = slab->returns == slab->out;
    pthread_mutex_unlock(&slab->lock);
    if (last)
        slab_delete(slab);
}

/* Blocks that were never given out are zero, and so is the count of owners in one that was given back. */
void slab_each(struct slab *slab, void (*act)(struct task *task, void *arg), void *arg)
{
    for (struct chunk *chunk = slab->chunks; chunk; chunk = chunk->next) {
        size_t room = (chunk->length - sizeof *chunk) / chunk->stride * chunk->stride;
        for (size_t at = 0; at < room; at += chunk->stride) {
            struct task *task = (struct task *)(chunk->blocks + at);
            if (task_is_alive(task))
                act(task, arg);
        }
    }
}
