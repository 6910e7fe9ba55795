//! Content on disk against plain bytes.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn spill(disk: u64) -> Arc<Spill> {
    Spill::to_file(tempfile::tempfile().unwrap(), SpillLimits { memory: 0, disk, small: 0 })
}

#[derive(Debug, Clone)]
enum Op {
    Write { offset: usize, len: usize, byte: u8 },
    Truncate { len: usize },
    Clone,
}

fn ops() -> impl Strategy<Value = Op> {
    let at = 0..BLOCK * 5;
    prop_oneof![
        4 => (at.clone(), 0..BLOCK * 2, 1..=255_u8)
            .prop_map(|(offset, len, byte)| Op::Write { offset, len, byte }),
        2 => at.prop_map(|len| Op::Truncate { len }),
        1 => Just(Op::Clone),
    ]
}

fn bytes(content: &Spilled) -> Bytes {
    content.read(0, u64::MAX).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spilled_content_is_what_was_written(
        ops in proptest::collection::vec(ops(), 1..24),
        punches in any::<bool>(),
    ) {
        let spill = spill(u64::MAX);
        spill.state().keeps_old_bytes = !punches;
        let mut content = Spilled::empty(spill.clone());
        let mut expected = Vec::new();
        let mut clones = Vec::new();
        for op in &ops {
            match op {
                Op::Write { offset, len, byte } => {
                    let data = vec![*byte; *len];
                    content.write(*offset as u64, &data).unwrap();
                    if !data.is_empty() || expected.len() < *offset {
                        expected.resize(expected.len().max(offset + len), 0);
                    }
                    expected[*offset..offset + len].copy_from_slice(&data);
                }
                Op::Truncate { len } => {
                    content.truncate(*len as u64).unwrap();
                    expected.resize(*len, 0);
                }
                Op::Clone => clones.push((content.clone(), expected.clone())),
            }
            prop_assert_eq!(content.len(), expected.len() as u64);
            prop_assert!(bytes(&content) == expected);
        }
        for (clone, expected) in clones {
            prop_assert!(bytes(&clone) == expected);
        }
        drop(content);
        prop_assert_eq!(spill.usage().spilled, 0);
    }
}

#[test]
fn full_disk_leaves_content_as_it_was() {
    let spill = spill(3 * BLOCK as u64);
    let mut content = Spilled::of(spill.clone(), &vec![1; 2 * BLOCK]).unwrap();
    let copy = content.clone();
    assert!(matches!(content.write(0, &vec![2; 4 * BLOCK]), Err(SpillError::Full)));
    assert_eq!(content.len(), 2 * BLOCK as u64);
    assert_eq!(bytes(&content), vec![1; 2 * BLOCK]);
    drop(copy);
    content.write(0, &vec![2; 3 * BLOCK]).unwrap();
    assert_eq!(bytes(&content), vec![2; 3 * BLOCK]);
    assert_eq!(spill.usage().peak_spilled, 3 * BLOCK as u64);
}
