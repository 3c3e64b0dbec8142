# SPDX-License-Identifier: MIT
"""
The mutants: each a small change of one file that makes it wrong.

Each old text must occur exactly once in the file. expected names the check that is meant to find
the mutant; it runs first. equivalent argues why no check can find it.
"""
import dataclasses


@dataclasses.dataclass
class Mutant:
    name: str
    file: str
    expected: str
    edits: list
    equivalent: str = ''


MUTANTS = []


def mutate(file, expected, name, *edits, equivalent=''):
    assert len(edits) % 2 == 0
    pairs = list(zip(edits[::2], edits[1::2]))
    MUTANTS.append(Mutant(name, 'src/' + file, expected, pairs, equivalent))


def park(*arguments, expected='model-futex', **keywords):
    mutate('park.c', expected, *arguments, **keywords)


def deadline(*arguments, expected='model-futex', **keywords):
    mutate('deadline.h', expected, *arguments, **keywords)


def any_of(*arguments, expected='contract-futex', **keywords):
    mutate('any.c', expected, *arguments, **keywords)


def handle(*arguments, expected='model-futex', **keywords):
    mutate('handle.c', expected, *arguments, **keywords)


def futex(*arguments, expected='model-futex', **keywords):
    mutate('backend_futex.c', expected, *arguments, **keywords)


def pthread(*arguments, expected='model-pthread', **keywords):
    mutate('backend_pthread.c', expected, *arguments, **keywords)


# ------------------------------------------------------------------------ the orders in park.c

CONSUME_ORDERS = 'memory_order_acquire, memory_order_relaxed))'
ARM_ORDERS = 'memory_order_release, memory_order_relaxed))'
C = 'seen = atomic_exchange_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_acquire);'
D = ('atomic_exchange_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_acquire);\n'
     '    if (seen != TPARK_NOTIFIED && seen')
U = 'atomic_exchange_explicit(tpark_state_word(p), TPARK_NOTIFIED, memory_order_acq_rel);'

park('consume-relaxed', CONSUME_ORDERS, 'memory_order_relaxed, memory_order_relaxed))')
park('consume-relaxed-at-first-look', CONSUME_ORDERS,
     'without_token == TPARK_EMPTY ? memory_order_relaxed : memory_order_acquire,'
     ' memory_order_relaxed))')
park('consume-relaxed-after-sleep', CONSUME_ORDERS,
     'without_token == TPARK_PARKED ? memory_order_relaxed : memory_order_acquire,'
     ' memory_order_relaxed))')
park('consume-release', CONSUME_ORDERS, 'memory_order_release, memory_order_relaxed))')
park('arm-relaxed', ARM_ORDERS, 'memory_order_relaxed, memory_order_relaxed))')
park('arm-acquire', ARM_ORDERS, 'memory_order_acquire, memory_order_relaxed))')
park('armed-too-late-relaxed', C, C.replace('acquire', 'relaxed'))
park('disarm-relaxed', D, D.replace('acquire', 'relaxed'))
park('publish-acquire', U, U.replace('acq_rel', 'acquire'))
park('publish-release', U, U.replace('acq_rel', 'release'))
park('publish-relaxed', U, U.replace('acq_rel', 'relaxed'))

# --------------------------------------------------------------------- the operations in park.c

park('publish-skips-notified', U,
     'atomic_load_explicit(tpark_state_word(p), memory_order_relaxed) == TPARK_NOTIFIED'
     ' ? TPARK_NOTIFIED : ' + U)
park('publish-skips-notified-acquire', U,
     'atomic_load_explicit(tpark_state_word(p), memory_order_acquire) == TPARK_NOTIFIED'
     ' ? TPARK_NOTIFIED : ' + U)
park('publish-loads-and-stores', U,
     'atomic_load_explicit(tpark_state_word(p), memory_order_acquire);\n'
     'atomic_store_explicit(tpark_state_word(p), TPARK_NOTIFIED, memory_order_release);')
park('publish-stores-after-exchange', U,
     U + '\natomic_store_explicit(tpark_state_word(p), TPARK_NOTIFIED, memory_order_release);')
park('armed-too-late-stores', C,
     'atomic_store_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed);')
park('armed-too-late-loads-and-stores', C,
     'seen = atomic_load_explicit(tpark_state_word(p), memory_order_acquire);\n'
     'atomic_store_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed);')
park('armed-too-late-leaves-token', C, 'seen = atomic_load_explicit(tpark_state_word(p),'
     ' memory_order_acquire);')
park('disarm-loads-and-stores', D,
     'atomic_load_explicit(tpark_state_word(p), memory_order_acquire);\n'
     'atomic_store_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed);'
     '\n    if (seen != TPARK_NOTIFIED && seen')
park('disarm-loses-token', 'return seen == TPARK_NOTIFIED;', 'return seen == TPARK_EMPTY;')
park('disarm-invents-token', 'return seen == TPARK_NOTIFIED;', 'return seen != TPARK_EMPTY;')

WAIT = '''        tpark_backend_wait(p, deadline);
        token = consume(p, TPARK_PARKED, function);
'''
park('any-return-is-a-token', WAIT, '''        tpark_backend_wait(p, deadline);
        token = true;
''')
park('re-read-stores', WAIT, '''        tpark_backend_wait(p, deadline);
        token = true;
        atomic_store_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed);
''')
park('re-read-loads-and-stores', WAIT, '''        tpark_backend_wait(p, deadline);
        token = atomic_load_explicit(tpark_state_word(p), memory_order_acquire) == TPARK_NOTIFIED;
        if (token)
            atomic_store_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed);
''')
park('sleeps-once', '    while (!token) {\n', '    for (int i = 0; i < 1 && !token; i++) {\n')
park('gives-up-early', 'if (!token && deadline && tpark_has_passed(deadline)) {',
     'if (!token && deadline) {')
park('never-gives-up', 'if (!token && deadline && tpark_has_passed(deadline)) {', 'if (false) {')
park('deadline-wins-over-token', 'if (!token && deadline && tpark_has_passed(deadline)) {',
     'if (deadline && tpark_has_passed(deadline)) {')
park('stays-armed', 'token = disarm(p, function);', '')
park('arms-without-looking', 'bool token = !arm(p, function);',
     'bool token = false;\n    atomic_store_explicit(tpark_state_word(p), TPARK_PARKED,'
     ' memory_order_release);')

UNPARK = '''    const enum tpark_state replaced = publish(p, __func__);
    return replaced == TPARK_PARKED ? wake_parked(p, scope) : replaced;
'''
park('wake-dropped', UNPARK, '''    (void)scope;
    return publish(p, __func__);
''')
park('wakes-when-not-parked', UNPARK, UNPARK.replace('==', '!='))
park('wakes-before-exchange', UNPARK, '''    wake_parked(p, scope);
    return publish(p, __func__);
''')
park('scope-read-after-exchange', UNPARK, '''    (void)scope;
    const enum tpark_state replaced = publish(p, __func__);
    const enum tpark_scope late = p->flags & TPARK_SHARED ? TPARK_SCOPE_SHARED
                                                          : TPARK_SCOPE_PRIVATE;
    return replaced == TPARK_PARKED ? wake_parked(p, late) : replaced;
''')
park('state-read-after-exchange', UNPARK, '''
    const enum tpark_state replaced = publish(p, __func__);
    if (atomic_load_explicit(tpark_state_word(p), memory_order_relaxed) != TPARK_NOTIFIED)
        return replaced;
    return replaced == TPARK_PARKED ? wake_parked(p, scope) : replaced;
''')
park('scope-mistaken', 'p->flags & TPARK_SHARED ? TPARK_SCOPE_SHARED : TPARK_SCOPE_PRIVATE;',
     'p->flags & TPARK_SHARED ? TPARK_SCOPE_PRIVATE : TPARK_SCOPE_SHARED;')
park('wake-knows-too-much', 'wake_parked(p, TPARK_SCOPE_UNKNOWN);',
     'wake_parked(p, TPARK_SCOPE_PRIVATE);')

# ---------------------------------------------------------------------------- time, and the rest

park('deadline-relative', '*deadline = tpark_now();', '*deadline = (struct timespec){0};')
park('deadline-without-carry', '    s += ns / TPARK_NS_PER_S;\n', '')
deadline('deadline-misses-its-moment', 'a->tv_nsec < b->tv_nsec', 'a->tv_nsec <= b->tv_nsec')
deadline('deadline-ignores-seconds', 'a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec',
         'a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec')
deadline('deadline-seconds-not-strict', '? a->tv_sec < b->tv_sec', '? a->tv_sec <= b->tv_sec',
         equivalent='the seconds differ where they are compared')
park('timeout-overflows', '    if (s > last - (uint64_t)deadline->tv_sec)\n        return NULL;\n',
     '    (void)last;\n',
     equivalent='where time_t has 64 bits: 2^64 ns are 585 years, and fit')
park('timeout-of-zero-sleeps', '    if (timeout_ns == 0)\n        return ETIMEDOUT;\n', '',
     expected='contract-pthread')
park('timeout-of-zero-takes-nothing', '''    if (consume(p, TPARK_EMPTY, __func__))
        return 0;
    if (timeout_ns == 0)
        return ETIMEDOUT;
''', '''    if (timeout_ns == 0)
        return ETIMEDOUT;
    if (consume(p, TPARK_EMPTY, __func__))
        return 0;
''', expected='contract-futex')
park('past-wins-over-token', '''    if (consume(p, TPARK_EMPTY, __func__))
        return 0;
    if (deadline && tpark_has_passed(deadline))
        return ETIMEDOUT;
''', '''    if (deadline && tpark_has_passed(deadline))
        return ETIMEDOUT;
    if (consume(p, TPARK_EMPTY, __func__))
        return 0;
''', expected='contract-futex')
park('past-goes-to-the-kernel',
     '    if (deadline && tpark_has_passed(deadline))\n        return ETIMEDOUT;\n', '',
     expected='contract-futex')
deadline('not-a-time-accepted', 'deadline->tv_nsec < TPARK_NS_PER_S',
         'deadline->tv_nsec <= TPARK_NS_PER_S', expected='contract-futex')
deadline('negative-ns-accepted', 'deadline->tv_nsec >= 0 && ', '', expected='contract-futex')
park('park-changes-errno', '    errno = saved_errno;\n    return token;', '    (void)saved_errno;\n'
     '    return token;')
park('wake-changes-errno', '''    tpark_backend_wake(p, scope);
    errno = saved_errno;
''', '''    tpark_backend_wake(p, scope);
    (void)saved_errno;
''')
park('init-forgets-flags', '    p->flags = flags;\n', '')
park('init-forgets-state', '    atomic_init(tpark_state_word(p), TPARK_EMPTY);\n', '')
park('init-takes-any-flag',
     '    if (flags & ~(unsigned)TPARK_SHARED)\n        return EINVAL;\n', '',
     expected='contract-futex')
park('second-owner-unseen', '''    if (seen != without_token)
        wrong_state''', '''    if (false)
        wrong_state''', expected='contract-futex')
park('corruption-unseen', 'if (replaced > TPARK_NOTIFIED)', 'if (false)', expected='contract-futex')
park('disarm-of-unarmed-unseen',
     'if (seen != TPARK_NOTIFIED && seen != TPARK_PARKED)', 'if (false)',
     expected='contract-futex')
park('destroy-of-armed-unseen', 'memory_order_relaxed) == TPARK_PARKED)\n        tpark_misuse',
     'memory_order_relaxed) > TPARK_NOTIFIED)\n        tpark_misuse', expected='contract-futex')

# -------------------------------------------------------------------------------- backend_futex.c

futex('wait-shared', 'p->flags & TPARK_SHARED ? 0 : FUTEX_PRIVATE_FLAG',
      'p->flags & TPARK_SHARED ? FUTEX_PRIVATE_FLAG : 0')
futex('wait-for-another-value', 'FUTEX_WAIT_BITSET | private_flag, TPARK_PARKED, deadline',
      'FUTEX_WAIT_BITSET | private_flag, TPARK_EMPTY, deadline')
futex('wait-relative', 'FUTEX_WAIT_BITSET | private_flag', 'FUTEX_WAIT | private_flag')
futex('wait-on-the-wall-clock', 'deadline, CLOCK_MONOTONIC);', 'deadline, CLOCK_REALTIME);')
futex('wait-for-another-value-455', '(unsigned long)TPARK_PARKED', '(unsigned long)TPARK_EMPTY')
futex('wait-without-bits', '(unsigned long)FUTEX_BITSET_MATCH_ANY', '0ul')
futex('wait-drops-ns', '.ns = deadline ? deadline->tv_nsec : 0', '.ns = 0')
futex('EAGAIN-is-fatal', '    case EAGAIN: ', '    case 0: ')
futex('EINTR-is-fatal', '    case EINTR: ', '    case 0: ')
futex('ETIMEDOUT-is-fatal', '    case ETIMEDOUT: ', '    case 0: ')
futex('ENOSYS-is-fatal', '(errno == ENOSYS || errno == EPERM)', '(errno == EPERM)')
futex('EPERM-is-fatal', '(errno == ENOSYS || errno == EPERM)', '(errno == ENOSYS)')
futex('EFAULT-is-fatal', 'errno != EFAULT && ', '')
futex('EINVAL-of-wake-is-fatal', ' && errno != EINVAL)', ')')
futex('wakes-nobody', 'FUTEX_WAKE | private_flag, 1, NULL)', 'FUTEX_WAKE | private_flag, 0, NULL)')
futex('wakes-shared-queue-only', 'if (scope != TPARK_SCOPE_SHARED && wake_word(word,',
      'if (scope == TPARK_SCOPE_SHARED && wake_word(word,')
futex('wakes-private-queue-only', 'if (scope != TPARK_SCOPE_PRIVATE)', 'if (false)')
futex('asks-again-and-again', 'atomic_store_explicit(&has_slack, true, memory_order_relaxed);', '')

# ------------------------------------------------------------------------------ backend_pthread.c

pthread('no-look-under-the-mutex', 'if (is_parked(p)) {', 'if (is_parked(p) || true) {')
pthread('look-before-the-mutex', '''    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
    /* A static''', '''    const bool sleeps = is_parked(p);
    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
    /* A static''', 'if (is_parked(p)) {', 'if (sleeps) {')
pthread('wake-without-mutex', '''    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
    /* Without a''', '    /* Without a',
        '''        must(pthread_cond_signal(&p->cond), "pthread_cond_signal");
    must(pthread_mutex_unlock(&p->mutex), "pthread_mutex_unlock");
''', '''        must(pthread_cond_signal(&p->cond), "pthread_cond_signal");
''')
pthread('signal-dropped', 'must(pthread_cond_signal(&p->cond), "pthread_cond_signal");', '(void)0;')
pthread('wall-clock', 'pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)',
        'pthread_condattr_setclock(&attributes, CLOCK_REALTIME)')
pthread('static-cond-kept', '    if (!p->has_cond)\n        must(init_cond',
        '    if (false)\n        must(init_cond')
pthread('cond-forgotten', 'p->has_cond = !error;', 'p->has_cond = p->has_cond && !error;')
pthread('cancellation-point', 'PTHREAD_CANCEL_DISABLE', 'PTHREAD_CANCEL_ENABLE')
pthread('cancellation-stays-off',
        'must(pthread_setcancelstate(cancel_state, NULL), "pthread_setcancelstate");', '')
pthread('ETIMEDOUT-is-fatal-to-cond', 'must(error == ETIMEDOUT ? 0 : error,', 'must(error,')
pthread('mutex-kept', '''    must(pthread_mutex_unlock(&p->mutex), "pthread_mutex_unlock");
    must(pthread_setcancelstate(cancel''', '    must(pthread_setcancelstate(cancel')
pthread('deadline-ignored', 'deadline ? pthread_cond_timedwait(&p->cond, &p->mutex, deadline)\n',
        'false ? pthread_cond_timedwait(&p->cond, &p->mutex, deadline)\n')

# ---------------------------------------------------------------- handle.c, waker.c and current.c

SUB = 'atomic_fetch_sub_explicit(&inner->references, 1, memory_order_release)'
LAST = '(void)atomic_load_explicit(&inner->references, memory_order_acquire);'
handle('drop-relaxed', SUB, SUB.replace('release', 'relaxed'))
handle('drop-acquire', SUB, SUB.replace('release', 'acquire'))
handle('last-drop-relaxed', LAST, LAST.replace('acquire', 'relaxed'))
handle('last-drop-unordered', LAST, '')
handle('drop-not-atomic', f'    if ({SUB} != 1)',
       '    const uint32_t before =\n'
       '        atomic_load_explicit(&inner->references, memory_order_acquire);\n'
       '    atomic_store_explicit(&inner->references, before - 1, memory_order_release);\n'
       '    if (before != 1)')
handle('clone-not-atomic', 'atomic_fetch_add_explicit(&inner->references, 1, memory_order_relaxed)',
       '(atomic_store_explicit(&inner->references, 1 + atomic_load_explicit(&inner->references,'
       ' memory_order_relaxed), memory_order_relaxed), 0)')
handle('frees-early', 'memory_order_release) != 1)', 'memory_order_release) > 2)')
handle('never-frees', '    free(inner);\n    errno', '    errno')
handle('starts-at-two',
       'atomic_init(&inner->references, 1);', 'atomic_init(&inner->references, 2);')
handle('unparker-uncounted', 'return add_reference(of_thread(t), __func__);',
       'return (struct tpark_unparker *)t;')
handle('clone-uncounted', 'return add_reference(of_unparker(u), __func__);',
       'return (struct tpark_unparker *)u;')
handle('destroys-after-free', '    tpark_destroy(&inner->parker);\n    free(inner);\n',
       '    free(inner);\n    tpark_destroy(&inner->parker);\n')
handle('hook-never-released', '        inner->hook.release(inner->hook.context);\n', '        ;\n')
handle('hook-called-when-not-parked',
       'if (replaced == TPARK_PARKED)', 'if (replaced != TPARK_PARKED)')
HOOK = ('    const enum tpark_state replaced = tpark_notify(&of_unparker(u)->parker);\n'
        '    if (replaced')
handle('hook-before-notify', HOOK,
       '    tpark_unparker_wake(u);\n' + HOOK.replace('if (', 'if (false && '))
handle('hook-bypassed', '    if (!of_unparker(u)->hook.wake)\n', '')
handle('count-overflows', '>= INT32_MAX)', '>= UINT32_MAX)', expected='contract-futex')
handle('frees-armed', '    tpark_require_idle(&of_thread(t)->parker, __func__);\n', '',
       expected='contract-futex')

mutate('waker.c', 'model-futex', 'free-before-wake',
       '    tpark_unparker_unpark(data);\n    tpark_unparker_free(data);\n',
       '    tpark_unparker_free(data);\n    tpark_unparker_unpark(data);\n')
mutate('waker.c', 'model-futex', 'wake-keeps-reference',
       '    tpark_unparker_unpark(data);\n    tpark_unparker_free(data);\n',
       '    tpark_unparker_unpark(data);\n')
mutate('waker.c', 'model-futex', 'wake-by-ref-consumes',
       'static void wake_by_ref_slot(void *data)\n{\n    tpark_unparker_unpark(data);\n',
       'static void wake_by_ref_slot(void *data)\n{\n    wake_slot(data);\n')
mutate('waker.c', 'model-futex', 'clone-is-a-copy',
       'return tpark_unparker_into_waker(tpark_unparker_clone(data));',
       'return tpark_unparker_into_waker(data);')
mutate('waker.c', 'contract-futex', 'drop-wakes', '.drop = drop_slot', '.drop = wake_slot')
mutate('waker.c', 'model-futex', 'drop-leaks',
       'static void drop_slot(void *data)\n{\n    tpark_unparker_free(data);\n',
       'static void drop_slot(void *data)\n{\n    (void)data;\n')

mutate('current.c', 'model-futex', 'block-on-busy',
       '        tpark_thread_park(t);\n    tpark_waker',
       '        ;\n    tpark_waker')
mutate('current.c', 'contract-futex', 'block-on-polls-twice', 'while (!poll(future, &waker))',
       'if (!poll(future, &waker))')
mutate('current.c', 'model-futex', 'block-on-leaks-waker', '    tpark_waker_drop(waker);\n', '')
mutate('current.c', 'model-futex', 'block-on-shares-a-parker',
       'struct tpark_thread *t = tpark_thread_new(0);\n',
       'struct tpark_thread *t = get_current();\n',
       '    tpark_waker_drop(waker);\n    tpark_thread_free(t);\n',
       '    tpark_waker_drop(waker);\n')
mutate('current.c', 'model-futex', 'current-goes-in-the-first-round',
       'destructor_rounds < DESTRUCTOR_ROUNDS && ', 'false && ')
mutate('current.c', 'model-futex', 'current-stays-after-its-end', '    current = NULL;\n'
       '    tpark_thread_free(thread);', '    tpark_thread_free(thread);')
mutate('current.c', 'model-futex', 'current-never-ends', '    tpark_thread_free(thread);\n', '')

# ------------------------------------------------------------------------------- any of several

any_of('any-waits-on-the-wrong-queue', 'parker->flags & TPARK_SHARED ? 0 : FUTEX_PRIVATE_FLAG',
       'parker->flags & TPARK_SHARED ? 0 : 0')
any_of('any-drops-tokens', 'set[i].has_token = tpark_disarm(set[i].parker)',
       '(void)!tpark_disarm(set[i].parker)')
any_of('any-disarms-one-too-many', '            return i;\n', '            return i + 1;\n')
any_of('any-disarms-unarmed', 'disarm_all(set, armed);', 'disarm_all(set, count);')
any_of('any-lets-the-last-starve', 'try_all(set + i + 1, count - i - 1)', 'try_all(set + i + 1, 0)')
any_of('any-ends-on-a-signal', '    case EINTR:     /* a signal */\n', '')
any_of('any-never-gives-up', '!(deadline && tpark_has_passed(deadline))) {', 'true) {')
any_of('any-asks-the-kernel-again', 'atomic_store_explicit(&is_missing, true, memory_order_relaxed);',
       '')
any_of('any-looks-without-pause', 'interval < LAST_NS / 2 ? interval * 2 : LAST_NS', '1')
any_of('any-looks-once', 'wait_for_first(set[0].parker, interval, deadline)',
       'tpark_backend_wait(set[0].parker, deadline)')
any_of('any-changes-errno', 'errno = saved_errno;', '(void)saved_errno;')
