//! The examples do what they say.

#[path = "../examples/own_provider.rs"]
mod own_provider;
#[path = "../examples/plan_from_strings.rs"]
mod plan_from_strings;

#[test]
fn a_plan_comes_from_strings_alone() {
    assert_eq!(plan_from_strings::plan().unwrap().steps.len(), 209);
    plan_from_strings::main().unwrap();
}

#[test]
fn an_own_provider_is_all_that_a_deployment_needs() {
    own_provider::main().unwrap();
}
