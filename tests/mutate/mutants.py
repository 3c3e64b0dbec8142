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


def spin(*arguments, expected='contract-futex', **keywords):
    mutate('spin.c', expected, *arguments, **keywords)


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
     '    ANNOTATE_ACQUIRE(p);\n    if (seen != TPARK_NOTIFIED && seen')
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

WAIT = '''        tpark_backend_wait(p, alarm);
        token = consume(p, TPARK_PARKED, function);
'''
park('any-return-is-a-token', WAIT, '''        tpark_backend_wait(p, alarm);
        token = true;
''')
park('re-read-stores', WAIT, '''        tpark_backend_wait(p, alarm);
        token = true;
        atomic_store_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed);
''')
park('re-read-loads-and-stores', WAIT, '''        tpark_backend_wait(p, alarm);
        token = atomic_load_explicit(tpark_state_word(p), memory_order_acquire) == TPARK_NOTIFIED;
        if (token)
            atomic_store_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed);
''')
LATE = 'is_late = !token && alarm && tpark_has_passed(alarm);'
park('sleeps-once', 'while (!token && !is_late);', 'while (false);')
park('gives-up-early', LATE, 'is_late = !token && alarm;')
park('never-gives-up', LATE, 'is_late = false;')
park('deadline-wins-over-token', LATE + '''
        if (is_late)
            token = disarm(p, function);
''', '''is_late = alarm && tpark_has_passed(alarm);
        if (is_late) {
            if (!token)
                disarm(p, function);
            token = false;
        }
''')
park('stays-armed', '            token = disarm(p, function);\n', '            token = false;\n')
park('arms-without-looking', '    if (!arm(p, function))\n        return true;\n',
     '    atomic_store_explicit(tpark_state_word(p), TPARK_PARKED, memory_order_release);\n')

FLAGS = '    const unsigned flags = p->flags;\n'
PUBLISH = '    const enum tpark_state replaced = publish(p, __func__);\n'
OWES = 'replaced == TPARK_PARKED || (replaced == TPARK_NOTIFIED && flags & TPARK_SHARED);'
WAKE = 'return owes_wake ? wake(p, flags, replaced) : replaced;'
park('wake-dropped', WAKE, 'return replaced;')
park('wakes-when-not-parked', OWES, OWES.replace('replaced == TPARK_PARKED',
                                                 'replaced != TPARK_PARKED'))
park('wakes-before-exchange', PUBLISH, '    wake(p, flags, TPARK_PARKED);\n' + PUBLISH,
     WAKE, 'return replaced;')
park('flags-read-after-exchange', FLAGS, '', PUBLISH, PUBLISH + FLAGS)
park('state-read-after-exchange', PUBLISH, PUBLISH +
     '    if (atomic_load_explicit(tpark_state_word(p), memory_order_relaxed) != TPARK_NOTIFIED)\n'
     '        return replaced;\n')
park('shared-token-wakes-nobody', OWES, 'replaced == TPARK_PARKED;')
park('private-token-wakes', OWES, 'replaced != TPARK_EMPTY;', expected='faults-futex')
SCOPE = 'flags & TPARK_SHARED ? TPARK_SCOPE_SHARED : TPARK_SCOPE_PRIVATE);'
park('scope-mistaken', SCOPE,
     'flags & TPARK_SHARED ? TPARK_SCOPE_PRIVATE : TPARK_SCOPE_SHARED);')
park('wake-knows-too-much', 'tpark_backend_wake(p, TPARK_SCOPE_UNKNOWN);',
     'tpark_backend_wake(p, TPARK_SCOPE_PRIVATE);')

# ------------------------------------------------------------------------- the spins in park.c

# A token that a spin saw, consumed in other ways than T.
T_RELAXED = ('atomic_exchange_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed)'
             ' == TPARK_NOTIFIED;\n')
T_STORED = ('(atomic_load_explicit(tpark_state_word(p), memory_order_acquire) == TPARK_NOTIFIED &&'
            ' (atomic_store_explicit(tpark_state_word(p), TPARK_EMPTY, memory_order_relaxed),'
            ' true));\n')
FIRST = 'tpark_spin_first(&spin, p, deadline) && consume(p, TPARK_EMPTY, function);\n'
LAST_SPIN = 'tpark_spin_last(p, deadline) && consume(p, TPARK_EMPTY, function);\n'
for where, original in (('first', FIRST), ('last', LAST_SPIN)):
    look = original.split(' && ')[0]
    park(f'{where}-spin-consumes-relaxed', original, f'{look} && {T_RELAXED}')
    park(f'{where}-spin-stores', original, f'{look} && {T_STORED}')
    park(f'{where}-spin-invents-token', original, f'({look}, true);\n')
    park(f'{where}-spin-leaves-its-token', original, f'{look};\n')
park('first-spin-consumes-nothing', FIRST, 'tpark_spin_first(&spin, p, deadline) && false;\n',
     equivalent='the owner arms next, and finds the token')
park('last-spin-consumes-nothing', LAST_SPIN, 'tpark_spin_last(p, deadline) && false;\n',
     expected='contract-futex')
park('last-spin-dropped', f'return {LAST_SPIN}', 'return false;\n')
park('precise-loses-the-token-of-its-sleep',
     'if (sleep_for_token(p, &alarm, spin, function))\n            return true;',
     'sleep_for_token(p, &alarm, spin, function);')
park('precise-gives-up-at-its-alarm', '        tpark_spin_learn_lateness(&alarm);\n',
     '        return false;\n')
park('precise-without-a-deadline', 'deadline && p->flags & TPARK_PRECISE',
     'p->flags & TPARK_PRECISE', expected='contract-futex')
park('precise-sleeps-for-what-is-near', 'if (!tpark_has_passed(&alarm)) {', 'if (true) {',
     expected='contract-futex')

# ---------------------------------------------------------------------------- time, and the rest

park('deadline-relative', '*deadline = tpark_now();', '*deadline = (struct timespec){0};')
park('deadline-without-carry', '    s += ns / TPARK_NS_PER_S;\n', '')
deadline('deadline-misses-its-moment', 'a->tv_nsec < b->tv_nsec', 'a->tv_nsec <= b->tv_nsec')
deadline('deadline-ignores-seconds', 'a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec',
         'a->tv_sec != b->tv_sec ? a->tv_sec > b->tv_sec')
deadline('deadline-seconds-not-strict', '? a->tv_sec < b->tv_sec', '? a->tv_sec <= b->tv_sec',
         equivalent='the seconds differ where they are compared')
park('timeout-overflows', '    if (s > last - (uint64_t)deadline->tv_sec)\n        return NULL;\n',
     '    (void)last;\n', expected='faults-futex')
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
park('unpark-changes-errno', '    errno = saved_errno;\n    return replaced;',
     '    (void)saved_errno;\n    return replaced;')
park('wake-changes-errno', '''    tpark_backend_wake(p, TPARK_SCOPE_UNKNOWN);
    errno = saved_errno;
''', '''    tpark_backend_wake(p, TPARK_SCOPE_UNKNOWN);
    (void)saved_errno;
''')
park('init-forgets-flags', '    p->flags = (uint16_t)flags;\n', '')
park('init-forgets-spin', '    p->spin = (uint16_t)(flags >> 16); ', '    ')
park('init-forgets-state', '    atomic_init(tpark_state_word(p), TPARK_EMPTY);\n', '')
park('init-takes-any-flag',
     '    if (!tpark_spin_accepts(flags))\n        return EINVAL;\n', '',
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

# ----------------------------------------------------------------------------------------- spin.c

spin('takes-two-policies', ' && !(policy & (policy - 1));', ';')
spin('takes-unknown-flags', '!(flags & ~known) && ', '')
spin('takes-a-time-without-its-policy',
     'policy == TPARK_SPIN_FIXED ? (unsigned)UINT16_MAX << 16 : 0', '(unsigned)UINT16_MAX << 16')
spin('never-looks-at-the-clock', 'policy == TPARK_SPIN_NEVER || ', '')
spin('never-is-adaptive', '    if (flags & TPARK_SPIN_NEVER)\n        return TPARK_SPIN_NEVER;\n',
     '    if (flags & TPARK_SPIN_NEVER)\n        return TPARK_SPIN_ADAPTIVE;\n')
spin('fixed-never-spins', 'policy == TPARK_SPIN_FIXED && has_one_cpu()',
     'policy == TPARK_SPIN_FIXED')
spin('fixed-spins-on-one-cpu', 'policy == TPARK_SPIN_FIXED && has_one_cpu()', 'false')
spin('takes-empty-for-changed', '!= TPARK_EMPTY;', '== TPARK_EMPTY;', expected='model-futex')
spin('spins-for-ever', 'while (now_ns() < end_ns);', 'while (true);', expected='model-futex')
spin('looks-only-at-the-end', '        if (has_changed(p))\n            return true;\n', '')
spin('no-look-at-the-end', 'return has_changed(p); ', 'return false; ')
spin('spins-beyond-the-deadline', 'budget_end < deadline_ns ? budget_end : deadline_ns',
     '((void)deadline_ns, budget_end)')
spin('note-read-in-the-parker', 'const uint64_t h = hash(p);\n    const uint64_t cpu',
     'const uint64_t h = hash(p) + (p->flags >> 15);\n    const uint64_t cpu',
     expected='model-futex')
spin('note-written-to-the-parker', '    if (has_notes())\n',
     '    ((struct tpark *)(uintptr_t)p)->spin = 0;\n    if (has_notes())\n',
     expected='model-futex')
spin('note-never-written', 'if (has_notes())', 'if (false)')
spin('note-not-wanted', 'return policy_of(flags) == TPARK_SPIN_ADAPTIVE;', 'return false;')
spin('note-of-anybody', '!is_ours || same_cpu', 'same_cpu')
spin('note-of-the-own-cpu', '!is_ours || same_cpu', '!is_ours')
spin('note-older-than-the-park', 'now - cost - spin->start_ns;',
     'now - cost > spin->start_ns ? now - cost - spin->start_ns : 0;')
spin('wait-longer-than-it-pays', 'wait < 2 * cost ?', 'wait < 8 * cost ?')
spin('wait-shorter-than-it-pays', 'wait < 2 * cost ?', 'wait < cost ?')
spin('cost-unbounded', '    if (cost > MAX_COST_NS)\n        cost = MAX_COST_NS;\n', '')
spin('cost-of-nothing', '    if (cost < MIN_COST_NS)\n        cost = MIN_COST_NS;\n', '')
spin('all-policies-learn', '    if (spin->learns)\n', '')
spin('timeouts-teach-to-spin', 'token ? judge(spin, p) : 0', 'token ? judge(spin, p) : p->spin')
spin('alarm-at-the-deadline',
     '    alarm.tv_nsec -= (long)atomic_load_explicit(&margin_ns, memory_order_relaxed);\n', '')
spin('lateness-unbounded', 'late < MAX_MARGIN_NS ? (uint32_t)late : MAX_MARGIN_NS',
     '(uint32_t)late')
spin('margin-only-rises', 'margin - (margin - target) / 256', 'margin')
spin('margin-only-falls', 'target > margin ? target : margin', 'target > margin ? margin : margin')
spin('alarm-without-borrow', '    if (alarm.tv_nsec < 0) {', '    if (false) {',
     expected='model-futex')
spin('alarm-in-the-next-second', '        alarm.tv_sec--;\n', '')
spin('last-spin-is-short', 'return spin_until(p, to_ns(deadline), 1);',
     'return spin_until(p, to_ns(deadline) - 50 * NS_PER_US, 1);')

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
        '''    const bool has_cond = p->has_cond;
    must(pthread_mutex_unlock(&p->mutex), "pthread_mutex_unlock");
''', '    const bool has_cond = p->has_cond;\n')
pthread('wake-looks-without-mutex', '''    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
    /* Without a condition variable the owner has not slept yet, and will look first. */
    const bool has_cond = p->has_cond;
''', '''    const bool has_cond = p->has_cond;
    must(pthread_mutex_lock(&p->mutex), "pthread_mutex_lock");
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
