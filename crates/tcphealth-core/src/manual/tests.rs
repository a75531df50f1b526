use super::*;
use crate::snapshot::State;
use crate::words::Lang;

/// Every word of the note that this program grew from: its columns, states, limits, remedies, and the terms it explains them by.
const NOTE: &[&str] = &[
    // sar -n DEV,TCP,ETCP
    "sar",
    "DEV",
    "TCP",
    "ETCP",
    "IFACE",
    "rxpck/s",
    "txpck/s",
    "rxkB/s",
    "txkB/s",
    "rxcmp/s",
    "txcmp/s",
    "rxmcst/s",
    "%ifutil",
    "active/s",
    "passive/s",
    "iseg/s",
    "oseg/s",
    "atmptf/s",
    "estres/s",
    "retrans/s",
    "isegerr/s",
    "orsts/s",
    // states
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RCVD",
    "ESTABLISHED",
    "FIN_WAIT",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "CLOSING",
    "TIME_WAIT",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LAST-ACK",
    "TCP 상태도",
    // limits
    "재전송",
    "재전송 비율",
    "0.01%",
    "0.5%",
    "로컬 네트워크",
    "원거리 네트워크",
    "네트워크 구간별 응답시간",
    // how a connection ends
    "SYN",
    "FIN",
    "ACK",
    "RST",
    "active closer",
    "passive closer",
    "close()",
    // trouble
    "포트 고갈",
    "애플리케이션 타임아웃",
    "타임아웃",
    "1분",
    "응답속도",
    "병목",
    "서버 멈춤",
    "부하",
    // remedies, and what only seems to be one
    "keepalive",
    "connection pool",
    "연결 재사용",
    "tcp_tw_reuse",
    "tcp_tw_recycle",
    "tcp_fin_timeout",
    "SO_KEEPALIVE",
    "프로세스의 종료",
    "네트워크 재시작",
];

#[test]
fn every_word_of_the_note_is_explained_in_both_languages() {
    for word in NOTE {
        let articles = explain(word);
        assert!(!articles.is_empty(), "{word} is not explained");
        for article in articles {
            let said = |lang| article.parts.iter().map(|part| part.body.get(lang).chars().count()).sum::<usize>() > 20;
            assert!(said(Lang::En) && said(Lang::Ko), "{word}");
            let hangul =
                article.parts.iter().any(|part| part.body.ko.chars().any(|symbol| ('가'..='힣').contains(&symbol)));
            assert!(hangul || article.kind == Kind::Keyword, "{word} is not explained in Korean");
        }
    }
}

#[test]
fn every_article_has_both_languages_and_leads_only_to_known_words() {
    for article in articles() {
        for part in &article.parts {
            assert_eq!(part.body.en.is_empty(), part.body.ko.is_empty(), "{}", article.word);
            assert_eq!(part.heading.en.is_empty(), part.heading.ko.is_empty(), "{}", article.word);
            if part.heading.en == "See" {
                let unknown = |word: &&str| explain(word).is_empty();
                assert_eq!(part.body.en.split(", ").find(unknown), None, "{}", article.word);
            }
        }
    }
}

#[test]
fn all_eleven_states_are_explained_under_every_spelling() {
    for state in State::ALL {
        let article = explain(state.name()).into_iter().find(|article| article.kind == Kind::State);
        let article = article.unwrap_or_else(|| panic!("{} is not explained", state.name()));
        assert_eq!(article.word, state.name());
    }
    let kernel =
        |word: &str| explain(word).into_iter().find(|article| article.kind == Kind::State).map(|article| article.word);
    let spellings = ["estab", "time-wait", "Close Wait", "syn-received", "fin-wait-2", "unconn", "NEW_SYN_RECV"];
    let expected = ["ESTABLISHED", "TIME_WAIT", "CLOSE_WAIT", "SYN_RECV", "FIN_WAIT2", "CLOSE", "SYN_RECV"];
    assert_eq!(spellings.map(|word| kernel(word).unwrap_or_default()), expected);
}

#[test]
fn a_counter_is_found_by_the_kernels_by_nstats_and_by_its_bare_name() {
    for word in ["Tcp.RetransSegs", "TcpRetransSegs", "tcpretranssegs", "RetransSegs"] {
        let words: Vec<_> = explain(word).into_iter().map(|article| article.word).collect();
        assert_eq!(words, ["Tcp.RetransSegs"], "{word}");
    }
    assert_eq!(explain("TcpExtListenDrops").len(), 1);
    assert_eq!(
        explain("dev.eth0.rx_drop").first().map(|article| article.word.clone()),
        Some("dev.*.rx_drop".to_owned())
    );
    assert_eq!(nstat("TCP.tw"), None);
}

#[test]
fn retransmission_is_explained_with_its_limits_and_traps() {
    for lang in [Lang::En, Lang::Ko] {
        let page: String = explain("retrans/s")
            .iter()
            .flat_map(|article| article.parts.iter().map(|part| part.body.get(lang).to_owned()))
            .collect();
        for needed in [
            "RetransSegs",
            "0.01 %",
            "0.5 %",
            "oseg/s",
            "TCPOrigDataSent",
            "TCPSynRetrans",
            "TCPDSACKRecvSegs",
            "retrseg/s",
        ] {
            assert!(page.contains(needed), "{needed} is missing");
        }
        assert!(page.contains("30 000") || page.contains("30,000"));
    }
}

#[test]
fn an_unknown_word_leads_to_the_likest() {
    assert!(explain("TIME_WIAT").is_empty());
    assert_eq!(similar("TIME_WIAT").first().map(|word| plain(word)), Some("timewait".to_owned()));
    assert!(similar("accept-overflw").contains(&"accept-overflow".to_owned()));
    assert_eq!(similar("xyzzy"), [""; 0]);
}

#[test]
fn the_distance_is_the_number_of_edits() {
    let distance = |a: &str, b: &str| distance(&a.chars().collect::<Vec<_>>(), &b.chars().collect::<Vec<_>>());
    assert_eq!(
        [distance("kitten", "sitting"), distance("", "abc"), distance("flaw", "lawn"), distance("ab", "ab")],
        [3, 3, 2, 0]
    );
}
