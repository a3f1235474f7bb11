/* Memory for tasks: blocks of a few sizes, cut from big chunks, and given back to the chunk's slab and not to malloc.
 *
 * Every worker has a slab, and takes blocks from it without a lock. A block may be given back on any thread: on that of
 * its own worker it costs as little, elsewhere it takes the slab's lock. One more slab is for spawns from outside.
 *
 * A chunk is aligned to its size, so the chunk of a block, and with it the runtime of a task, is found from its address
 * alone. A slab lives until its last block is given back, which may be after the end of the runtime: a waker that
 * somebody kept is still a pointer to a task. */
#ifndef SLAB_H
#define SLAB_H

#include <stddef.h>

struct runtime;
struct slab;
struct task;

/* NULL: no memory. */
struct slab *slab_new(struct runtime *rt);

/* Its owner, which is gone after that. The blocks that are still out stay valid. */
void slab_close(struct slab *slab);

/* Its owner, one thread at a time: room for a task of so many bytes, aligned to 8, and to 16 if the size is a multiple
 * of that. NULL: no memory. */
struct task *slab_alloc(struct slab *slab, size_t size);

/* Any thread. mine: the slab that the calling thread owns, or NULL. */
void slab_free(struct task *task, struct slab *mine);

/* The runtime that the slab was made for; it may be gone if the task is done. */
struct runtime *slab_runtime(const struct task *task);

/* Its owner, while nobody takes blocks: does `act` for each task that is not over (task.h). */
void slab_each(struct slab *slab, void (*act)(struct task *task, void *arg), void *arg);

#endif
