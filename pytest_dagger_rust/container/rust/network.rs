//! Takes the network from a program and from all that it starts: the kernel refuses it sockets of other families than
//! AF_UNIX. No privileges are needed for that, and none can take it back.
use std::io::{Error, Result};
use std::os::unix::process::CommandExt;
use std::process::Command;

use crate::failure::{Failure, Outcome, OWN};
use crate::options::Options;

/// What is left of the network.
#[derive(Clone, Copy, PartialEq)]
pub enum Network {
    Whole,
    /// Nothing.
    Refused,
    /// Others may connect to the program over TCP.
    Listening,
}

/// What a program is told where it asks for a socket: "Network is unreachable".
const ENETUNREACH: u32 = 101;
const ENOSYS: u32 = 38;

const PR_SET_NO_NEW_PRIVS: i32 = 38;
const PR_SET_SECCOMP: i32 = 22;
const PR_CAPBSET_DROP: i32 = 24;
const SECCOMP_MODE_FILTER: usize = 2;
const CAP_NET_RAW: usize = 13;

const LANDLOCK_CREATE_RULESET: i64 = 444;
const LANDLOCK_RESTRICT_SELF: i64 = 446;
const CONNECT_TCP: u64 = 1 << 1;

extern "C" {
    fn prctl(option: i32, ...) -> i32;
    fn syscall(number: i64, ...) -> i64;
    fn close(file: i32) -> i32;
}

/// Numbers of system calls.
struct Machine {
    name: u32,
    socket: u32,
    sendto: u32,
    sendmsg: u32,
    sendmmsg: u32,
}

// Both have it under the same number.
const IO_URING_SETUP: u32 = 425;

#[cfg(target_arch = "x86_64")]
const MACHINE: Option<Machine> =
    Some(Machine { name: 0xc000_003e, socket: 41, sendto: 44, sendmsg: 46, sendmmsg: 307 });
#[cfg(target_arch = "aarch64")]
const MACHINE: Option<Machine> =
    Some(Machine { name: 0xc000_00b7, socket: 198, sendto: 206, sendmsg: 211, sendmmsg: 269 });
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MACHINE: Option<Machine> = None;

/// Numbers from here on are another way to call the same, on x86_64.
const X32: u32 = 0x4000_0000;

#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

#[repr(C)]
struct Program {
    length: u16,
    instructions: *const Instruction,
}

impl Network {
    /// Reads the option --network: nothing, "refused" or "listening".
    pub fn of(options: &Options) -> Outcome<Network> {
        match options.text("network")? {
            "" => Ok(Network::Whole),
            "refused" => Ok(Network::Refused),
            "listening" => Ok(Network::Listening),
            other => Err(format!("--network: there is no {other}").into()),
        }
    }

    /// Has a command start with what is left of the network.
    pub fn limit(self, command: &mut Command) -> Outcome<()> {
        if self == Network::Whole {
            return Ok(());
        }
        let machine = MACHINE.ok_or_else(|| {
            Failure::new(OWN, "the network can be taken from programs on x86_64 and aarch64 only")
        })?;
        let filter = filter(&machine, self == Network::Listening);
        unsafe {
            command.pre_exec(move || restrict(&filter, self == Network::Listening));
        }
        Ok(())
    }
}

/// To be called between fork and exec: it allocates nothing.
fn restrict(filter: &[Instruction], is_listening: bool) -> Result<()> {
    let (no, yes) = (0_usize, 1_usize);
    let done = |result: i32| if result == 0 { Ok(()) } else { Err(Error::last_os_error()) };
    unsafe {
        // Where it may not be dropped, it is not there.
        prctl(PR_CAPBSET_DROP, CAP_NET_RAW, no, no, no);
        done(prctl(PR_SET_NO_NEW_PRIVS, yes, no, no, no))?;
        landlock(is_listening)?;
        let program = Program { length: filter.len() as u16, instructions: filter.as_ptr() };
        done(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program as *const Program))
    }
}

/// Refuses connections over TCP, also where the sockets for it are not refused, and closes other processes of the
/// container to the program: it could have them ask for sockets. A kernel older than 6.7 cannot do that. Of files nothing
/// is refused, because a program that is refused anything of them may not move files from folder to folder either.
unsafe fn landlock(is_needed: bool) -> Result<()> {
    let (of_files, of_network) = (0, CONNECT_TCP);
    let refused = [of_files, of_network];
    let rules = syscall(LANDLOCK_CREATE_RULESET, refused.as_ptr(), std::mem::size_of_val(&refused), 0_usize);
    if rules < 0 {
        return if is_needed { Err(Error::last_os_error()) } else { Ok(()) };
    }
    let result = syscall(LANDLOCK_RESTRICT_SELF, rules as usize, 0_usize);
    let error = Error::last_os_error();
    close(rules as i32);
    if result == 0 {
        Ok(())
    } else {
        Err(error)
    }
}

/// Where an instruction finds what a system call is: its number, the machine, and halves of its arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const fn argument(number: u32) -> u32 {
    16 + 8 * number
}

const LOAD: u16 = 0x20;
const AND: u16 = 0x54;
const EQUAL: u16 = 0x15;
const AT_LEAST: u16 = 0x35;
const ANY_OF: u16 = 0x45;
const RETURN: u16 = 0x06;

const ALLOW: u32 = 0x7fff_0000;
const fn refuse(errno: u32) -> u32 {
    0x0005_0000 | errno
}

const AF_UNIX: u32 = 1;
const AF_INET: u32 = 2;
const AF_INET6: u32 = 10;
const SOCK_STREAM: u32 = 1;
const SOCK_TYPES: u32 = 0xf;
const IPPROTO_TCP: u32 = 6;
/// Sends data with a connection's first packet, which Landlock does not look at.
const MSG_FASTOPEN: u32 = 0x2000_0000;

fn filter(machine: &Machine, is_listening: bool) -> Vec<Instruction> {
    let step = |code, value| Instruction { code, if_true: 0, if_false: 0, value };
    // Goes on behind the next `count` instructions where the condition does not hold.
    let unless = |code, value, count| Instruction { code, if_true: 0, if_false: count, value };
    let when = |code, value, count| Instruction { code, if_true: count, if_false: 0, value };
    let (no, yes) = (step(RETURN, refuse(ENETUNREACH)), step(RETURN, ALLOW));
    let unknown = step(RETURN, refuse(ENOSYS));
    let mut all = vec![
        step(LOAD, ARCHITECTURE),
        when(EQUAL, machine.name, 1),
        unknown,
        step(LOAD, NUMBER),
        unless(AT_LEAST, X32, 1),
        unknown,
        unless(EQUAL, IO_URING_SETUP, 1),
        unknown,
    ];
    if is_listening {
        for (number, flags) in [(machine.sendto, 3), (machine.sendmsg, 2), (machine.sendmmsg, 3)] {
            all.extend([
                unless(EQUAL, number, 4),
                step(LOAD, argument(flags)),
                unless(ANY_OF, MSG_FASTOPEN, 1),
                no,
                yes,
            ]);
        }
    }
    all.extend([
        when(EQUAL, machine.socket, 1),
        yes,
        step(LOAD, argument(0)),
        unless(EQUAL, AF_UNIX, 1),
        yes,
    ]);
    if is_listening {
        all.extend([
            when(EQUAL, AF_INET, 2),
            when(EQUAL, AF_INET6, 1),
            no,
            step(LOAD, argument(1)),
            step(AND, SOCK_TYPES),
            when(EQUAL, SOCK_STREAM, 1),
            no,
            step(LOAD, argument(2)),
            unless(EQUAL, 0, 1),
            yes,
            unless(EQUAL, IPPROTO_TCP, 1),
            yes,
        ]);
    }
    all.push(no);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    const X86_64: Machine = Machine { name: 0xc000_003e, socket: 41, sendto: 44, sendmsg: 46, sendmmsg: 307 };

    /// Does what the kernel does with a filter.
    fn answer(filter: &[Instruction], machine: u32, number: u32, arguments: [u32; 4]) -> u32 {
        let (mut at, mut value) = (0, 0);
        loop {
            let step = filter[at];
            let is_true = match step.code {
                RETURN => return step.value,
                EQUAL => value == step.value,
                AT_LEAST => value >= step.value,
                ANY_OF => value & step.value != 0,
                _ => false,
            };
            match (step.code, step.value) {
                (LOAD, NUMBER) => value = number,
                (LOAD, ARCHITECTURE) => value = machine,
                (LOAD, place) => value = arguments[(place as usize - 16) / 8],
                (AND, mask) => value &= mask,
                _ => {}
            }
            at += 1 + usize::from(if is_true { step.if_true } else { step.if_false });
        }
    }

    #[test]
    fn only_sockets_within_the_machine_are_left() {
        let strict = filter(&X86_64, false);
        let asked = |number, arguments| answer(&strict, X86_64.name, number, arguments);
        assert_eq!(asked(41, [AF_UNIX, 1, 0, 0]), ALLOW);
        assert_eq!(asked(0, [AF_INET, 1, 0, 0]), ALLOW);
        for family in [AF_INET, AF_INET6, 16, 17, 40, 0] {
            assert_eq!(asked(41, [family, 1, 0, 0]), refuse(ENETUNREACH));
        }
        assert_eq!(asked(IO_URING_SETUP, [0; 4]), refuse(ENOSYS));
        assert_eq!(asked(X32 + 41, [AF_UNIX, 1, 0, 0]), refuse(ENOSYS));
        assert_eq!(answer(&strict, 0x4000_0003, 102, [1, 0, 0, 0]), refuse(ENOSYS));
    }

    #[test]
    fn a_service_may_have_tcp_sockets() {
        let filter = filter(&X86_64, true);
        let asked = |number, arguments| answer(&filter, X86_64.name, number, arguments);
        let close_on_exec = 0o2_000_000;
        assert_eq!(asked(41, [AF_INET, SOCK_STREAM | close_on_exec, 0, 0]), ALLOW);
        assert_eq!(asked(41, [AF_INET6, SOCK_STREAM, IPPROTO_TCP, 0]), ALLOW);
        for (family, kind, protocol) in
            [(AF_INET, 2, 0), (AF_INET6, 3, 0), (AF_INET, 1, 262), (17, 1, 0), (16, 1, 0)]
        {
            assert_eq!(asked(41, [family, kind, protocol, 0]), refuse(ENETUNREACH));
        }
        assert_eq!(asked(44, [3, 0, 9, 0]), ALLOW);
        assert_eq!(asked(44, [3, 0, 9, MSG_FASTOPEN]), refuse(ENETUNREACH));
        assert_eq!(asked(46, [3, 0, MSG_FASTOPEN, 0]), refuse(ENETUNREACH));
        assert_eq!(asked(IO_URING_SETUP, [0; 4]), refuse(ENOSYS));
    }
}
