#include "timer_heap.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

/* For so much room the C library goes to the kernel: pages that are not touched cost nothing, and growing moves pages to
 * another address instead of copying them. */
enum { CHILDREN = 4, FIRST_ROOM = 16384 };

static bool entry_is_before(const struct timer_entry *a, const struct timer_entry *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->timer->base.id < b->timer->base.id;
}

/* relaxed: under the lock; and who looks without it asks only whether the timer has fired */
static void heap_put(struct timer_heap *heap, uint32_t place, struct timer_entry entry)
{
    heap->entries[place] = entry;
    atomic_store_explicit(&entry.timer->place, place, memory_order_relaxed);
}

static uint32_t parent_of(uint32_t place)
{
    return (place - 1) / CHILDREN;
}

/* Puts the entry here, or further up. */
static void heap_rise(struct timer_heap *heap, uint32_t place, struct timer_entry entry)
{
    while (place > 0 && entry_is_before(&entry, &heap->entries[parent_of(place)])) {
        heap_put(heap, place, heap->entries[parent_of(place)]);
        place = parent_of(place);
    }
    heap_put(heap, place, entry);
}

/* Which child is the earliest; the length, if there is none. */
static uint32_t earliest_child(const struct timer_heap *heap, uint32_t place)
{
    uint32_t first = CHILDREN * place + 1;

    if (first >= heap->length)
        return heap->length;
    uint32_t best = first, end = heap->length - first < CHILDREN ? heap->length : first + CHILDREN;
    for (uint32_t i = first + 1; i < end; i++)
        if (entry_is_before(&heap->entries[i], &heap->entries[best]))
            best = i;
    return best;
}

/* Puts the entry here, or further down. */
static void heap_sink(struct timer_heap *heap, uint32_t place, struct timer_entry entry)
{
    uint32_t child;

    while ((child = earliest_child(heap, place)) < heap->length && entry_is_before(&heap->entries[child], &entry)) {
        heap_put(heap, place, heap->entries[child]);
        place = child;
    }
    heap_put(heap, place, entry);
}

static int heap_grow(struct timer_heap *heap)
{
    uint32_t room = heap->room ? 2 * heap->room : FIRST_ROOM;
    struct timer_entry *entries = room < TIMER_FIRED ? realloc(heap->entries, room * sizeof *entries) : NULL;

    if (!entries)
        return -ENOMEM;
    heap->entries = entries;
    heap->room = room;
    return 0;
}

int timer_heap_add(struct timer_heap *heap, struct timer *timer, uint64_t deadline)
{
    int error = heap->length == heap->room ? heap_grow(heap) : 0;

    if (!error)
        heap_rise(heap, heap->length++, (struct timer_entry){deadline, timer});
    return error;
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
    uint32_t place = atomic_load_explicit(&timer->place, memory_order_relaxed); /* as in heap_put */
    struct timer_entry last = heap->entries[--heap->length];

    if (last.timer == timer)
        return;
    if (place > 0 && entry_is_before(&last, &heap->entries[parent_of(place)]))
        heap_rise(heap, place, last);
    else
        heap_sink(heap, place, last);
}

void timer_heap_destroy(struct timer_heap *heap)
{
    free(heap->entries);
}
