//! `/proc/kallsyms`: a line a symbol of the kernel, `ffffffff81c0a5f0 T tcp_retransmit_skb`, with the module in brackets behind it.
//!
//! Source: kernel/kallsyms.c `s_show()`. Who may not know the addresses reads zeros. The lines are in order within the kernel and
//! within each module only.

/// The functions of a kernel by their addresses.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// In the order of their addresses.
    functions: Vec<(u64, Box<str>)>,
}

impl Symbols {
    /// Reads all functions; a line that is not understood is left out.
    pub fn parse(text: &str) -> Self {
        let mut functions: Vec<(u64, Box<str>)> = text.lines().filter_map(function).collect();
        functions.sort_by_key(|(address, _)| *address);
        functions.shrink_to_fit();
        Self { functions }
    }

    /// The function in which an address lies and how far from its beginning: `tcp_retransmit_skb+0x1f`. `None` below the first.
    pub fn name(&self, address: u64) -> Option<String> {
        let behind = self.functions.partition_point(|(begin, _)| *begin <= address);
        let (begin, name) = self.functions.get(behind.checked_sub(1)?)?;
        Some(format!("{name}+{:#x}", address - begin))
    }
}

/// `name`, or `name [module]`.
fn function(line: &str) -> Option<(u64, Box<str>)> {
    let (address, rest) = line.split_once(' ')?;
    let address = u64::from_str_radix(address, 16).ok().filter(|address| *address > 0)?;
    let (kind, name) = rest.split_once(' ')?;
    matches!(kind, "t" | "T" | "w" | "W").then(|| (address, name.replace('\t', " ").into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_function_that_begins_before_an_address_is_its() {
        let symbols = Symbols::parse(
            "ffffffffc0002000 t nft_do_chain\t[nf_tables]\nffffffff81000000 T _stext\nffffffff81000f00 d some_data\n\
             ffffffff81001000 T tcp_retransmit_skb\n0000000000000000 T hidden\nnonsense\n",
        );
        let name = |address| symbols.name(address).unwrap_or_default();
        assert_eq!(name(0xffff_ffff_8100_0fff), "_stext+0xfff");
        assert_eq!(name(0xffff_ffff_8100_1010), "tcp_retransmit_skb+0x10");
        assert_eq!(name(0xffff_ffff_c000_2001), "nft_do_chain [nf_tables]+0x1");
        assert_eq!(name(0x1000), "");
        assert!(Symbols::parse("0000000000000000 T hidden\n").name(0xffff_ffff_8100_0000).is_none());
    }
}
