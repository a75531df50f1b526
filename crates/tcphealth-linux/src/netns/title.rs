//! What a network namespace goes by: the service or container of a process in it, the name of its mount, or the process.
//!
//! Source: cgroups(7), systemd.slice(5) and what runtimes make of it (`docker-ID.scope`, `libpod-ID.scope`, `cri-containerd-ID.scope`,
//! `crio-ID.scope`, `/docker/ID`, `lxc.payload.NAME`, `kubepods…podUID`); names of containers where their runtimes keep them.

use std::fmt;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::NAMED;

/// Digits of a container's id, and those that people use.
const ID_DIGITS: usize = 64;
const SHORT_ID_DIGITS: usize = 12;

/// What it goes by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Title {
    /// That of process 1.
    Host,
    /// The only one that we may see.
    Own,
    /// A unit of systemd.
    Service(String),
    /// A container: its runtime, its name or id.
    Container(String, String),
    /// A pod of Kubernetes: `NAMESPACE/NAME`, or its uid.
    Pod(String),
    /// What ip-netns(8) or somebody else mounted.
    Mount(String),
    /// The oldest process in it.
    Process(u32, String),
}

impl fmt::Display for Title {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host => write!(f, "host"),
            Self::Own => write!(f, "self"),
            Self::Service(name) | Self::Pod(name) | Self::Mount(name) => write!(f, "{name}"),
            Self::Container(runtime, name) => write!(f, "{runtime} {name}"),
            Self::Process(pid, comm) => write!(f, "{comm} (pid {pid})"),
        }
    }
}

impl Title {
    /// Its kind as a word that is never translated.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Own => "self",
            Self::Service(_) => "service",
            Self::Container(..) => "container",
            Self::Pod(_) => "pod",
            Self::Mount(_) => "netns",
            Self::Process(..) => "process",
        }
    }

    /// Of a namespace with this process in it or this mount; `root` is `/`.
    pub(super) fn of(pid: Option<u32>, mount: Option<&Path>, root: &Path) -> Self {
        let read = |pid: u32, file: &str| fs::read_to_string(root.join(format!("proc/{pid}/{file}"))).ok();
        let cgroups = pid.and_then(|pid| read(pid, "cgroup")).unwrap_or_default();
        let paths = cgroups.lines().filter_map(|line| line.splitn(3, ':').nth(2));
        if let Some(holder) =
            paths.clone().find_map(|path| container(path, root)).or_else(|| paths.clone().find_map(service))
        {
            return holder;
        }
        if let Some(mount) = mount {
            return Self::Mount(mount.strip_prefix(NAMED).unwrap_or(mount).display().to_string());
        }
        let pid = pid.unwrap_or_default();
        Self::Process(pid, read(pid, "comm").unwrap_or_default().trim_end_matches('\n').to_owned())
    }
}

/// The innermost service of a path. `user@1000.service` is a person's session, not what serves.
fn service(path: &str) -> Option<Title> {
    let is_one = |part: &&str| part.ends_with(".service") && !part.starts_with("user@");
    path.rsplit('/').find(is_one).map(|unit| Title::Service(unit.to_owned()))
}

/// The pod or container of a path.
fn container(path: &str, root: &Path) -> Option<Title> {
    if let Some(uid) = path.split('/').find_map(pod_uid) {
        return Some(Title::Pod(pod_name(&uid, root).unwrap_or(uid)));
    }
    let mut above = "";
    for part in path.split('/') {
        if let Some(name) = part.strip_prefix("lxc.payload.").or((above == "lxc").then_some(part)) {
            return Some(Title::Container("lxc".to_owned(), name.to_owned()));
        }
        let stem = part.strip_suffix(".scope").unwrap_or(part);
        let (before, id) = stem.rsplit_once(['-', ':']).unwrap_or((above, stem));
        if id.len() == ID_DIGITS && id.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Some(named(runtime(before), id, root));
        }
        above = part;
    }
    None
}

fn runtime(word: &str) -> &str {
    match word.rsplit(['-', ':']).next().unwrap_or(word) {
        "docker" => "docker",
        "libpod" | "libpod_parent" => "podman",
        "crio" => "cri-o",
        "containerd" => "containerd",
        _ => "container",
    }
}

fn named(runtime: &str, id: &str, root: &Path) -> Title {
    let name = match runtime {
        "docker" => docker_name(id, root),
        "podman" => podman_name(id, root),
        _ => None,
    };
    let name = name.unwrap_or_else(|| id.chars().take(SHORT_ID_DIGITS).collect());
    Title::Container(runtime.to_owned(), name)
}

fn json(file: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

/// `"Name": "/web"`.
fn docker_name(id: &str, root: &Path) -> Option<String> {
    let about = json(&root.join(format!("var/lib/docker/containers/{id}/config.v2.json")))?;
    Some(about.get("Name")?.as_str()?.trim_start_matches('/').to_owned())
}

/// `[{ "id": …, "names": ["web"] }]`.
fn podman_name(id: &str, root: &Path) -> Option<String> {
    let all = json(&root.join("var/lib/containers/storage/overlay-containers/containers.json"))?;
    let about = all.as_array()?.iter().find(|about| about.get("id").and_then(Value::as_str) == Some(id))?;
    Some(about.get("names")?.get(0)?.as_str()?.to_owned())
}

/// `kubepods-burstable-pod1234_5678.slice` or `pod1234-5678`: the uid, with dashes.
fn pod_uid(part: &str) -> Option<String> {
    let uid = part.trim_end_matches(".slice").rsplit_once("pod")?.1.replace('_', "-");
    let is_one = uid.len() == 36 && uid.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    is_one.then_some(uid)
}

/// `/var/log/pods` has a directory `NAMESPACE_NAME_UID` for each pod of this host.
fn pod_name(uid: &str, root: &Path) -> Option<String> {
    let pods = fs::read_dir(root.join("var/log/pods")).ok()?.flatten();
    pods.filter_map(|pod| pod.file_name().into_string().ok()).find_map(|pod| {
        let (namespace, name) = pod.strip_suffix(uid)?.trim_end_matches('_').split_once('_')?;
        Some(format!("{namespace}/{name}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4f1c0ffee4";
    const UID: &str = "0f0e8c3a-5f0d-4d3f-9a52-7d3b1b7a2c11";

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    fn title(root: &Path, cgroup: &str) -> String {
        write(root, "proc/7/cgroup", cgroup);
        write(root, "proc/7/comm", "sleep\n");
        Title::of(Some(7), None, root).to_string()
    }

    #[test]
    fn a_namespace_goes_by_its_service_or_container() {
        let host = tempfile::tempdir().unwrap();
        let short = ID.get(..12).unwrap();
        for (cgroup, expected) in [
            ("0::/system.slice/nginx.service\n".to_owned(), "nginx.service".to_owned()),
            (
                "0::/user.slice/user-1000.slice/user@1000.service/app.slice/db.service\n".to_owned(),
                "db.service".to_owned(),
            ),
            (format!("0::/system.slice/docker-{ID}.scope\n"), format!("docker {short}")),
            (format!("12:memory:/docker/{ID}\n1:name=systemd:/docker/{ID}\n0::/\n"), format!("docker {short}")),
            (format!("0::/machine.slice/libpod-{ID}.scope/container\n"), format!("podman {short}")),
            (format!("0::/system.slice/crio-{ID}.scope\n"), format!("cri-o {short}")),
            (format!("0::/system.slice/cri-containerd-{ID}.scope\n"), format!("containerd {short}")),
            (format!("0::/system.slice/runc.service/{ID}\n"), format!("container {short}")),
            ("0::/lxc.payload.mail/system.slice/postfix.service\n".to_owned(), "lxc mail".to_owned()),
            ("4:cpu:/lxc/mail\n".to_owned(), "lxc mail".to_owned()),
            ("0::/user.slice/user-0.slice/session-3.scope\n".to_owned(), "sleep (pid 7)".to_owned()),
            ("0::/\n".to_owned(), "sleep (pid 7)".to_owned()),
        ] {
            assert_eq!(title(host.path(), &cgroup), expected, "{cgroup}");
        }
    }

    #[test]
    fn runtimes_tell_the_names_of_their_containers() {
        let host = tempfile::tempdir().unwrap();
        let root = host.path();
        write(root, &format!("var/lib/docker/containers/{ID}/config.v2.json"), r#"{"ID":"x","Name":"/web-1"}"#);
        let list = format!(r#"[{{"id":"x","names":["y"]}},{{"id":"{ID}","names":["mail"]}}]"#);
        write(root, "var/lib/containers/storage/overlay-containers/containers.json", &list);
        write(root, &format!("var/log/pods/shop_web-0_{UID}/web/0.log"), "");
        assert_eq!(title(root, &format!("0::/system.slice/docker-{ID}.scope\n")), "docker web-1");
        assert_eq!(title(root, &format!("0::/machine.slice/libpod-{ID}.scope\n")), "podman mail");
        let slice = UID.replace('-', "_");
        let path = format!(
            "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{slice}.slice/cri-containerd-{ID}.scope\n"
        );
        assert_eq!(title(root, &path), "shop/web-0");
        assert_eq!(title(root, &format!("5:pids:/kubepods/burstable/pod{UID}/{ID}\n")), "shop/web-0");
        let other = UID.replace('c', "d");
        assert_eq!(title(root, &format!("0::/kubepods/pod{other}/{ID}\n")), other);
    }

    #[test]
    fn without_them_by_its_mount() {
        let host = tempfile::tempdir().unwrap();
        let name = |mount: &str| Title::of(None, Some(Path::new(mount)), host.path());
        assert_eq!(name("/run/netns/blue"), Title::Mount("blue".to_owned()));
        assert_eq!(name("/srv/net"), Title::Mount("/srv/net".to_owned()));
    }
}
