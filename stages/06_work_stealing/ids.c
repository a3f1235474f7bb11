#include "ids.h"

#include "trace.h"

#include <stdatomic.h>

enum { IDS_PER_BLOCK = 256 };

static struct {
    _Alignas(64) atomic_uint next; /* in a line of its own: the others are not disturbed */
} counters[ID_KINDS] = {[0 ... ID_KINDS - 1] = {1}};

_Thread_local struct id_block id_stock[ID_KINDS];

void id_refill(struct id_block *stock, enum id_kind kind)
{
    uint32_t count = trace_on ? 1 : IDS_PER_BLOCK;

    /* relaxed, no partner: the numbers need only differ */
    stock->next = atomic_fetch_add_explicit(&counters[kind].next, count, memory_order_relaxed);
    stock->end = stock->next + count;
}
