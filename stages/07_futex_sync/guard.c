#include "guard.h"

static uint32_t draw(void)
{
    static _Atomic uint32_t last;

    return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1; /* a mere count: no partner */
}

uint32_t guard_number(_Atomic uint32_t *number)
{
    /* Relaxed, both: nothing but the number itself is read on the strength of it. */
    uint32_t known = atomic_load_explicit(number, memory_order_relaxed);
    if (known)
        return known;
    uint32_t mine = draw();
    return atomic_compare_exchange_strong_explicit(number, &known, mine, memory_order_relaxed, memory_order_relaxed)
               ? mine
               : known; /* another thread was faster: two may share the lock */
}

uint64_t guard_share(_Atomic uint32_t *number)
{
    static _Thread_local uint32_t mine;

    if (!mine)
        mine = draw();
    return (uint64_t)mine << 32 | guard_number(number);
}
