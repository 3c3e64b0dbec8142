# SPDX-License-Identifier: MIT
"""
What no operator makes: operations of the protocol in other forms, and checks in other places.

Each: the file, the old text, which occurs once in it, and the new one.
"""
GIVE = 'atomic_exchange_explicit(tpark_state_word(p), TPARK_NOTIFIED, memory_order_acq_rel);'
TAKE = 'atomic_exchange_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_acquire);'
WAIT = '''        tpark_backend_wait(p, alarm);
        token = consume(p, TPARK_PARKED, function);
'''
SPIN = '''            if (consume(p, TPARK_EMPTY, function))
                return true;
            tpark_relax();
'''
PAST = '''    if (consume(p, TPARK_EMPTY, __func__))
        return 0;
    if (deadline && tpark_has_passed(deadline))
        return ETIMEDOUT;
'''
LATE = '''        is_late = !token && alarm && tpark_has_passed(alarm);
        if (token)
            set_armed(p, false);
        else if (is_late)
            token = disarm(p, function);
'''
SUB = 'atomic_fetch_sub_explicit(&inner->references, 1, memory_order_release)'
ADD = 'atomic_fetch_add_explicit(&inner->references, 1, memory_order_relaxed)'
CONSUME = '''    if (atomic_compare_exchange_strong_explicit(tpark_state_word(p), &seen, TPARK_EMPTY,
                                                memory_order_acquire, memory_order_relaxed)) {
        ANNOTATE_ACQUIRE(p);
'''


def load(order):
    return f'atomic_load_explicit(tpark_state_word(p), memory_order_{order})'


def store(state, order):
    return f'atomic_store_explicit(tpark_state_word(p), TPARK_{state}, memory_order_{order})'


MUTANTS = {
    'src/park.c': [
        # give
        (GIVE, f'{load("relaxed")} == TPARK_NOTIFIED ? TPARK_NOTIFIED : {GIVE}'),
        (GIVE, f'{load("acquire")} == TPARK_NOTIFIED ? TPARK_NOTIFIED : {GIVE}'),
        (GIVE, f'{load("acquire")};\n    {store("NOTIFIED", "release")};'),
        (GIVE, f'{GIVE}\n    {store("NOTIFIED", "release")};'),
        # consume, at first
        (CONSUME, CONSUME.replace('memory_order_acquire', 'without_token == TPARK_EMPTY ?'
                              ' memory_order_relaxed : memory_order_acquire')),
        (CONSUME, CONSUME.replace('memory_order_acquire', 'without_token == TPARK_PARKED ?'
                              ' memory_order_relaxed : memory_order_acquire')),
        (SPIN, SPIN.replace('consume(p, TPARK_EMPTY, function)',
                            f'{load("acquire")} == TPARK_NOTIFIED')),
        (SPIN, SPIN.replace('consume(p, TPARK_EMPTY, function)',
                            f'{load("acquire")} == TPARK_NOTIFIED &&\n'
                            f'                ({store("EMPTY", "relaxed")}, true)')),
        # take
        (TAKE, f'{load("acquire")};\n    {store("EMPTY", "relaxed")};'),
        (TAKE, f'{load("acquire")};'),
        # consume, after a sleep
        (WAIT, WAIT.replace('consume(p, TPARK_PARKED, function)', 'true')),
        (WAIT, WAIT.replace('consume(p, TPARK_PARKED, function)',
                            f'{load("acquire")} == TPARK_NOTIFIED;\n        if (token)\n'
                            f'            {store("EMPTY", "relaxed")}')),
        (LATE, '''        is_late = alarm && tpark_has_passed(alarm);
        if (token)
            set_armed(p, false);
        else if (is_late)
            token = disarm(p, function);
        if (is_late)
            token = false;
'''),
        (PAST, '\n'.join(PAST.split('\n')[2:4] + PAST.split('\n')[:2]) + '\n'),
    ],
    'src/handle.c': [
        (f'    if ({SUB} != 1)', '''    const uint32_t before =
        atomic_load_explicit(&inner->references, memory_order_acquire);
    atomic_store_explicit(&inner->references, before - 1, memory_order_release);
    if (before != 1)'''),
        (ADD, '(atomic_store_explicit(&inner->references, 1 + atomic_load_explicit('
              '&inner->references, memory_order_relaxed), memory_order_relaxed), 0)'),
    ],
    'src/backend_pthread.c': [
        ('''    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
    /* A static''', '''    const bool sleeps = is_parked(p);
    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
    if (!sleeps) {
        must(pthread_mutex_unlock(&p->mutex), "pthread_mutex_unlock");
        must(pthread_setcancelstate(cancel_state, NULL), "pthread_setcancelstate");
        return;
    }
    /* A static'''),
    ],
}


def mutate(source):
    for old, new in MUTANTS.get(source.file, []):
        if source.text.count(old) != 1:
            raise SystemExit(f'by_hand.py: occurs {source.text.count(old)} times in {source.file}:'
                             f'\n{old}')
        start = source.text.index(old)
        source.add('by hand', start, start + len(old), new)
