#include "ids.h"

#include "trace.h"

#include <stdatomic.h>

enum { IDS_PER_BLOCK = 256 };

static struct {
    _Alignas(64) atomic_uint last; /* in a line of its own: the others are not disturbed */
} given[ID_KINDS];

static _Thread_local struct {
    uint32_t next, end;
} mine[ID_KINDS];

static void id_refill(enum id_kind kind)
{
    uint32_t count = trace_on ? 1 : IDS_PER_BLOCK;

    /* relaxed, no partner: the numbers need only differ */
    mine[kind].next = atomic_fetch_add_explicit(&given[kind].last, count, memory_order_relaxed) + 1;
    mine[kind].end = mine[kind].next + count;
}

uint32_t id_new(enum id_kind kind)
{
    if (mine[kind].next == mine[kind].end)
        id_refill(kind);
    return mine[kind].next++;
}
