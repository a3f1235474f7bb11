#include "timer_heap.h"

#include <stddef.h>

static bool timer_is_before(const struct timer *a, const struct timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->number < b->number;
}

/* Joins two heaps, either of them NULL or a root: the later root becomes the first child of the earlier one. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    if (timer_is_before(b, a))
        return meld(b, a);
    b->previous = a;
    b->next = a->child;
    if (a->child)
        a->child->previous = b;
    a->child = b;
    return a;
}

/* Takes the first two of a list of siblings out and melds them; *list is what is left. */
static struct timer *meld_two(struct timer **list)
{
    struct timer *a = *list;
    struct timer *b = a->next;

    *list = b ? b->next : NULL;
    a->next = a->previous = NULL;
    if (b)
        b->next = b->previous = NULL;
    return meld(a, b);
}

/* One heap of all the siblings: melded in pairs from left to right, and the pairs then from right to left. That order
 * is what makes the heap fast. */
static struct timer *meld_siblings(struct timer *list)
{
    struct timer *pairs = NULL, *root = NULL;

    while (list) {
        struct timer *pair = meld_two(&list);
        pair->next = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct timer *pair = pairs;
        pairs = pair->next;
        pair->next = NULL;
        root = meld(root, pair);
    }
    return root;
}

/* Takes a timer, with all that hangs below it, out of its parent's list. */
static void cut(struct timer *timer)
{
    if (timer->previous->child == timer)
        timer->previous->child = timer->next;
    else
        timer->previous->next = timer->next;
    if (timer->next)
        timer->next->previous = timer->previous;
    timer->next = timer->previous = NULL;
}

void timer_heap_add(struct timer_heap *heap, struct timer *timer)
{
    timer->child = timer->next = timer->previous = NULL;
    timer->is_queued = true;
    heap->root = meld(heap->root, timer);
}

void timer_heap_remove(struct timer_heap *heap, struct timer *timer)
{
    struct timer *below = meld_siblings(timer->child);

    timer->child = NULL;
    timer->is_queued = false;
    if (timer == heap->root) {
        heap->root = below;
    } else {
        cut(timer);
        heap->root = meld(heap->root, below);
    }
}
